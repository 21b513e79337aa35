package quaminatest_test

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
	"quamina.net/go/quamina"

	"rootguard/internal/eventpattern"
	"rootguard/internal/testenv"
)

// The vocabulary is small so that patterns match often. It has no quote: quamina
// takes anything-but ["", "\""] for anything-but "".
var (
	names   = rapid.SampledFrom([]string{"a", "b", "c", "detail-type"})
	strs    = rapid.SampledFrom([]string{"", "x", "X", "xy", "Xy", "xyz", "zyx", "a*b", `a\b`, "é", "\t"})
	numbers = rapid.SampledFrom([]json.Number{"0", "1", "-1", "1.0", "10e-1", "100", "1e2", "0.5"})
	scalars = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return numbers.Draw(t, "number")
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return nil
		default:
			return strs.Draw(t, "string")
		}
	})
)

// events may hold an array of objects where nothing else does: quamina compares
// the array elements of neighboring fields alone, so that with more of them it
// can take values from different elements for those of one.
func event(t *rapid.T, depth int) map[string]any {
	o := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "members") {
		name := names.Draw(t, "name")
		switch kind := rapid.IntRange(0, 5).Draw(t, "value"); {
		case kind == 0 && depth < 3:
			o[name] = event(t, depth+1)
		case kind == 1:
			o[name] = rapid.SliceOfN(scalars, 0, 3).Draw(t, "array")
		default:
			o[name] = scalars.Draw(t, "scalar")
		}
	}
	return o
}

// operatorOrValue draws from what both know. exists is true throughout a
// pattern, or false: quamina overlooks a last exists false after exists true.
func operatorOrValue(t *rapid.T, exists bool) []any {
	switch rapid.IntRange(0, 6).Draw(t, "operator") {
	case 0:
		return []any{map[string]any{"exists": exists}}
	case 1:
		return []any{map[string]any{"anything-but": rapid.SliceOfN(strs, 1, 3).Draw(t, "anything-but")}}
	case 2:
		return []any{map[string]any{"prefix": strs.Draw(t, "prefix")}, scalars.Draw(t, "or")}
	case 3:
		return []any{map[string]any{"equals-ignore-case": strs.Draw(t, "folded")}}
	case 4:
		return []any{map[string]any{"wildcard": rapid.SampledFrom([]string{"*", "x*", "*x", "x*z", "*y*", "*Y*z", `a\**`, `a\\*`, "xy"}).Draw(t, "wildcard")}}
	default:
		return rapid.SliceOfN(scalars, 1, 3).Draw(t, "values")
	}
}

func pattern(t *rapid.T, depth int, exists bool) map[string]any {
	o := map[string]any{}
	for range rapid.IntRange(1, 3).Draw(t, "fields") {
		name := names.Draw(t, "field")
		if depth < 3 && rapid.IntRange(0, 3).Draw(t, "nested") == 0 {
			o[name] = pattern(t, depth+1, exists)
		} else {
			o[name] = operatorOrValue(t, exists)
		}
	}
	return o
}

func agreesWithQuamina(t *rapid.T) {
	exists := rapid.Bool().Draw(t, "exists")
	p, e := pattern(t, 0, exists), event(t, 0)
	if rapid.Bool().Draw(t, "objects in an array") {
		// One array of objects, and a pattern of one field in them.
		e = map[string]any{"a": []any{event(t, 1), event(t, 1)}, "b": scalars.Draw(t, "b")}
		p = map[string]any{"a": map[string]any{names.Draw(t, "inner"): operatorOrValue(t, exists)}}
	}
	rawPattern, rawEvent := encode(t, p), encode(t, e)
	ours, err := eventpattern.Compile(rawPattern)
	if err != nil {
		t.Fatalf("compiling %s: %v", rawPattern, err)
	}
	oracle, err := quamina.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := oracle.AddPattern("p", string(rawPattern)); err != nil {
		t.Fatalf("quamina refuses %s: %v", rawPattern, err)
	}
	matches, err := oracle.MatchesForEvent(rawEvent)
	if err != nil {
		t.Fatalf("quamina cannot read %s: %v", rawEvent, err)
	}
	got, err := ours.Match(rawEvent)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(matches) > 0; got != want {
		t.Fatalf("pattern %s\nevent %s\ngot %v, quamina %v", rawPattern, rawEvent, got, want)
	}
}

func encode(t *rapid.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAgreesWithQuamina(t *testing.T) { testenv.Check(t, 100, agreesWithQuamina) }

// FuzzMatch draws from the fuzzer's bytes first, and then from a stream of its
// seed: short inputs, which are quick to vary, make whole cases.
func FuzzMatch(f *testing.F) {
	f.Add([]byte{}, uint64(1))
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint64(2))
	property := rapid.MakeFuzz(agreesWithQuamina)
	f.Fuzz(func(t *testing.T, draws []byte, seed uint64) {
		stream := append([]byte(nil), draws...)
		for random := rand.New(rand.NewPCG(seed, 0)); len(stream) < 4096; {
			stream = binary.LittleEndian.AppendUint64(stream, random.Uint64())
		}
		property(t, stream)
	})
}
