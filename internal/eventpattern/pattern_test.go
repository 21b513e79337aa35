package eventpattern

import (
	"fmt"
	"strings"
	"testing"
)

func mustCompile(tb testing.TB, pattern string) *Pattern {
	tb.Helper()
	p, err := Compile([]byte(pattern))
	if err != nil {
		tb.Fatalf("compiling %s: %v", pattern, err)
	}
	return p
}

func mustMatch(tb testing.TB, p *Pattern, event string) bool {
	tb.Helper()
	ok, err := p.Match([]byte(event))
	if err != nil {
		tb.Fatalf("matching %s: %v", event, err)
	}
	return ok
}

// documented is the event of the EventBridge User Guide, "Creating event patterns".
const documented = `{
  "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "EC2 Instance State-change Notification",
  "source": "aws.ec2", "account": "111122223333", "time": "2017-12-22T18:43:48Z", "region": "us-west-1",
  "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
  "detail": {"instance-id": "i-1234567890abcdef0", "state": "terminated", "c-count": 3, "d-count": 9, "x-limit": 301.8,
    "sourceIPAddress": "10.0.0.123", "FileName": "images/Photo.PNG", "FilePath": "dir1/lib/x.txt", "empty": "", "none": null, "on": true}
}`

// TestDocumentedPatterns has the examples of the EventBridge User Guide, each
// with a pattern that differs little and does not match.
func TestDocumentedPatterns(t *testing.T) {
	for _, c := range []struct{ name, hit, miss string }{
		{"exact",
			`{"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"], "detail": {"state": ["terminated"]}}`,
			`{"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"], "detail": {"state": ["running"]}}`},
		{"case counts", `{"detail": {"state": ["terminated"]}}`, `{"detail": {"state": ["Terminated"]}}`},
		{"one of several", `{"detail": {"state": ["running", "terminated"]}}`, `{"detail": {"state": ["running", "stopped"]}}`},
		{"element of an array",
			`{"resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0", "arn:aws:ec2:us-east-1:111122223333:instance/i-b188560f"]}`,
			`{"resources": ["arn:aws:ec2:us-east-1:111122223333:instance/i-b188560f"]}`},
		{"empty string", `{"detail": {"empty": [""]}}`, `{"detail": {"state": [""]}}`},
		{"null", `{"detail": {"none": [null]}}`, `{"detail": {"empty": [null]}}`},
		{"null is not absent", `{"detail": {"none": [{"exists": true}]}}`, `{"detail": {"nothing": [null]}}`},
		{"boolean", `{"detail": {"on": [true]}}`, `{"detail": {"on": ["true"]}}`},
		{"number by value", `{"detail": {"x-limit": [3.018e2]}}`, `{"detail": {"x-limit": ["301.8"]}}`},
		{"prefix", `{"time": [{"prefix": "2017-12-22"}]}`, `{"time": [{"prefix": "2017-12-23"}]}`},
		{"prefix of strings alone", `{"detail": {"c-count": [3]}}`, `{"detail": {"c-count": [{"prefix": "3"}]}}`},
		{"prefix ignoring case", `{"detail": {"state": [{"prefix": {"equals-ignore-case": "TERM"}}]}}`, `{"detail": {"state": [{"prefix": {"equals-ignore-case": "ERM"}}]}}`},
		{"prefix longer than the value", `{"detail": {"state": [{"prefix": "terminated"}]}}`, `{"detail": {"state": [{"prefix": {"equals-ignore-case": "terminated!"}}]}}`},
		{"suffix", `{"detail": {"FileName": [{"suffix": ".PNG"}]}}`, `{"detail": {"FileName": [{"suffix": ".png"}]}}`},
		{"suffix ignoring case", `{"detail": {"FileName": [{"suffix": {"equals-ignore-case": ".png"}}]}}`, `{"detail": {"FileName": [{"suffix": {"equals-ignore-case": ".jpg"}}]}}`},
		{"suffix longer than the value", `{"detail": {"state": [{"suffix": {"equals-ignore-case": "TERMINATED"}}]}}`, `{"detail": {"state": [{"suffix": {"equals-ignore-case": "xterminated"}}]}}`},
		{"equals-ignore-case", `{"detail-type": [{"equals-ignore-case": "ec2 instance state-change notification"}]}`, `{"detail-type": [{"equals-ignore-case": "ec2 instance"}]}`},
		{"wildcard", `{"detail": {"FilePath": [{"wildcard": "dir1/*.txt"}]}}`, `{"detail": {"FilePath": [{"wildcard": "dir1/*.png"}]}}`},
		{"wildcards", `{"detail": {"FilePath": [{"wildcard": "dir*/lib/*.t*t"}]}}`, `{"detail": {"FilePath": [{"wildcard": "dir*/lib/*.tt*"}]}}`},
		{"wildcard for nothing", `{"detail": {"FilePath": [{"wildcard": "*dir1/lib/x.txt*"}]}}`, `{"detail": {"FilePath": [{"wildcard": "dir1/lib/x.txt*t"}]}}`},
		{"wildcard without a star", `{"detail": {"FilePath": [{"wildcard": "dir1/lib/x.txt"}]}}`, `{"detail": {"FilePath": [{"wildcard": "dir1/lib"}]}}`},
		{"wildcard parts in order", `{"detail": {"FilePath": [{"wildcard": "*1*lib*"}]}}`, `{"detail": {"FilePath": [{"wildcard": "*lib*1*"}]}}`},
		{"wildcard parts do not overlap", `{"detail": {"FileName": [{"wildcard": "images*Photo.PNG"}]}}`, `{"detail": {"FileName": [{"wildcard": "images/Photo*Photo.PNG"}]}}`},
		{"wildcard escapes", `{"source": [{"wildcard": "aws.ec2*"}]}`, `{"source": [{"wildcard": "aws.ec2\\*"}]}`},
		{"anything-but", `{"detail": {"state": [{"anything-but": "initializing"}]}}`, `{"detail": {"state": [{"anything-but": "terminated"}]}}`},
		{"anything-but a number", `{"detail": {"x-limit": [{"anything-but": 123}]}}`, `{"detail": {"x-limit": [{"anything-but": 301.8}]}}`},
		{"anything-but a list", `{"detail": {"state": [{"anything-but": ["stopped", "overloaded"]}]}}`, `{"detail": {"state": [{"anything-but": ["stopped", "terminated"]}]}}`},
		{"anything-but numbers", `{"detail": {"x-limit": [{"anything-but": [100, 200, 300]}]}}`, `{"detail": {"c-count": [{"anything-but": [1, 2, 3]}]}}`},
		{"anything-but equals-ignore-case", `{"detail": {"state": [{"anything-but": {"equals-ignore-case": "initializing"}}]}}`, `{"detail": {"state": [{"anything-but": {"equals-ignore-case": ["initializing", "TERMINATED"]}}]}}`},
		{"anything-but prefix", `{"detail": {"state": [{"anything-but": {"prefix": "init"}}]}}`, `{"detail": {"state": [{"anything-but": {"prefix": ["init", "term"]}}]}}`},
		{"anything-but suffix", `{"detail": {"FileName": [{"anything-but": {"suffix": ".txt"}}]}}`, `{"detail": {"FileName": [{"anything-but": {"suffix": [".txt", ".PNG"]}}]}}`},
		{"anything-but wildcard", `{"detail": {"FilePath": [{"anything-but": {"wildcard": "*/bin/*"}}]}}`, `{"detail": {"FilePath": [{"anything-but": {"wildcard": ["*/bin/*", "*/lib/*"]}}]}}`},
		{"anything-but asks for a value", `{"detail": {"none": [{"anything-but": "x"}]}}`, `{"detail": {"nothing": [{"anything-but": "x"}]}}`},
		{"numeric", `{"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"numeric": ["=", 3.018e2]}]}}`,
			`{"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 9]}], "x-limit": [{"numeric": ["=", 3.018e2]}]}}`},
		{"numeric bounds", `{"detail": {"c-count": [{"numeric": [">=", 3, "<", 4]}]}}`, `{"detail": {"c-count": [{"numeric": [">", 3]}]}}`},
		{"numeric upper bound", `{"detail": {"c-count": [{"numeric": ["<=", 3]}]}}`, `{"detail": {"c-count": [{"numeric": ["<=", 2.999]}]}}`},
		{"numeric of numbers alone", `{"detail": {"c-count": [{"numeric": ["=", 3]}]}}`, `{"detail": {"state": [{"numeric": ["<", 5000000000]}]}}`},
		{"cidr", `{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0/24"}]}}`, `{"detail": {"sourceIPAddress": [{"cidr": "10.0.1.0/24"}]}}`},
		{"cidr of an address", `{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.123/32"}]}}`, `{"detail": {"state": [{"cidr": "0.0.0.0/0"}]}}`},
		{"exists", `{"detail": {"state": [{"exists": true}]}}`, `{"detail": {"states": [{"exists": true}]}}`},
		{"exists false", `{"detail": {"states": [{"exists": false}]}}`, `{"detail": {"state": [{"exists": false}]}}`},
		{"exists is about values, not objects", `{"detail": [{"exists": false}]}`, `{"detail": [{"exists": true}]}`},
		{"absent below what is absent", `{"more": {"state": [{"exists": false}]}}`, `{"more": {"state": [{"exists": true}]}}`},
		{"complex", `{"time": [{"prefix": "2017-12-22"}], "detail": {"state": [{"anything-but": "initializing"}], "c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"anything-but": [100, 200, 300]}]}}`,
			`{"time": [{"prefix": "2017-12-22"}], "detail": {"state": [{"anything-but": "initializing"}], "c-count": [{"numeric": [">", 3, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"anything-but": [100, 200, 300]}]}}`},
		{"$or", `{"detail": {"$or": [{"c-count": [{"numeric": [">", 5]}]}, {"d-count": [{"numeric": ["<", 10]}]}, {"x-limit": [{"numeric": ["=", 3]}]}]}}`,
			`{"detail": {"$or": [{"c-count": [{"numeric": [">", 5]}]}, {"d-count": [{"numeric": ["<", 9]}]}, {"x-limit": [{"numeric": ["=", 3]}]}]}}`},
		{"$or and a field", `{"source": ["aws.ec2"], "$or": [{"region": ["us-west-1"]}, {"account": ["999999999999"], "version": ["0"]}]}`,
			`{"source": ["aws.ec2"], "$or": [{"region": ["us-west-2"]}, {"account": ["111122223333"], "version": ["1"]}]}`},
		{"$or in $or", `{"$or": [{"region": ["x"]}, {"detail": {"$or": [{"state": ["x"]}, {"on": [true]}]}}]}`, `{"$or": [{"region": ["x"]}, {"detail": {"$or": [{"state": ["x"]}, {"on": [false]}]}}]}`},
		{"a string is no object", `{"detail": {"state": ["terminated"]}}`, `{"detail": {"state": {"state": ["terminated"]}}}`},
		{"an object is no string", `{"detail": {"state": [{"exists": true}]}}`, `{"detail": [{"anything-but": "x"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !mustMatch(t, mustCompile(t, c.hit), documented) {
				t.Errorf("no match: %s", c.hit)
			}
			if mustMatch(t, mustCompile(t, c.miss), documented) {
				t.Errorf("match: %s", c.miss)
			}
		})
	}
}

// TestEvents has one pattern against events that differ little.
func TestEvents(t *testing.T) {
	for _, c := range []struct{ name, pattern, hit, miss string }{
		{"any element", `{"a": ["x"]}`, `{"a": ["y", "x"]}`, `{"a": ["y", "z"]}`},
		{"elements of elements", `{"a": ["x"]}`, `{"a": [["y"], [["x"]]]}`, `{"a": [[], [["y"]]]}`},
		{"anything-but for one element", `{"a": [{"anything-but": "x"}]}`, `{"a": ["x", "y"]}`, `{"a": ["x", "x"]}`},
		{"objects in an array", `{"a": {"b": ["x"]}}`, `{"a": [{"b": "y"}, {"b": "x"}]}`, `{"a": [{"b": "y"}, {"c": "x"}]}`},
		{"one object has both", `{"a": {"b": [1], "c": [2]}}`, `{"a": [{"b": 1, "c": 2}, {"b": 9, "c": 9}]}`, `{"a": [{"b": 1, "c": 9}, {"b": 9, "c": 2}]}`},
		{"an array in an array in order", `{"a": {"b": [1], "c": [2]}}`, `{"a": [[{"b": 1, "c": 2}]]}`, `{"a": [[{"b": 1}], [{"c": 2}]]}`},
		{"absent from every object", `{"a": {"b": [{"exists": false}]}}`, `{"a": [{"c": 1}, {"d": 1}]}`, `{"a": [{"c": 1}, {"b": 1}]}`},
		{"an empty array has no value", `{"a": [{"exists": false}]}`, `{"a": []}`, `{"a": [1]}`},
		{"null is a value", `{"a": [{"exists": true}]}`, `{"a": null}`, `{"a": {}}`},
		{"absent of an object", `{"a": {"b": [{"exists": false}], "c": [1]}}`, `{"a": {"c": 1}}`, `{"a": 1}`},
		{"numbers", `{"a": [300]}`, `{"a": 3.0e2}`, `{"a": "300"}`},
		{"huge numbers", `{"a": [{"numeric": ["<=", 5e9]}]}`, `{"a": 5000000000}`, `{"a": -1e400}`},
		{"beyond numeric", `{"a": [{"numeric": [">", 1]}]}`, `{"a": 5e9}`, `{"a": 5000000001}`},
		{"a huge number equals none", `{"a": [1, {"anything-but": 1}]}`, `{"a": 1e999}`, `{"b": 1e999}`},
		{"IPv6", `{"a": [{"cidr": "2001:db8::/32"}]}`, `{"a": "2001:db8::7"}`, `{"a": "2001:db9::7"}`},
		{"folding beyond ASCII", `{"a": [{"prefix": {"equals-ignore-case": "ÉT"}}]}`, `{"a": "étage"}`, `{"a": "etage"}`},
		{"a star in the event", `{"a": [{"wildcard": "a\\*\\\\b*"}]}`, `{"a": "a*\\b"}`, `{"a": "axb"}`},
		{"escaped in the event", `{"a": ["x\ty"]}`, `{"\u0061": "x\u0009y"}`, `{"a": "x\\ty"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustCompile(t, c.pattern)
			if !mustMatch(t, p, c.hit) {
				t.Errorf("%s does not match %s", c.pattern, c.hit)
			}
			if mustMatch(t, p, c.miss) {
				t.Errorf("%s matches %s", c.pattern, c.miss)
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	var tooMany []string
	for i := range 11 {
		tooMany = append(tooMany, fmt.Sprintf(`"f%d": {"$or": [{"a": [1]}, {"b": [1]}]}`, i))
	}
	for _, c := range []struct{ pattern, want string }{
		{``, "reading pattern: EOF"},
		{`{`, "reading pattern: "},
		{`{"a"`, "reading pattern: "},
		{`{"a":`, "reading pattern: "},
		{`{"a": [`, "reading pattern: "},
		{`{"a": [}`, "reading pattern: "},
		{`{1: [1]}`, "reading pattern: "},
		{`[]`, "pattern is not a JSON object"},
		{`"a"`, "pattern is not a JSON object"},
		{`{"a": ["x"]} {}`, "more follows"},
		{`{"a": ["x"]} x`, "more follows"},
		{`{"a": ["x"], "a": ["y"]}`, `"a" is twice`},
		{`{}`, "top level: an empty object"},
		{`{"a": {}}`, "a: an empty object"},
		{`{"a": {"b": []}}`, "a.b: an empty array"},
		{`{"a": "x"}`, "a: values stand in an array, this is a string"},
		{`{"a": null}`, "a: values stand in an array, this is null"},
		{`{"a": [["x"]]}`, "a: a value is a string, number, boolean, null or an operator, this is an array"},
		{`{"a": [1e999]}`, "a: reading number 1e999: value out of range"},
		{`{"a": [{}]}`, "a: an operator is an object of one member, this has 0"},
		{`{"a": [{"prefix": "x", "suffix": "y"}]}`, "a: an operator is an object of one member, this has 2"},
		{`{"detail": {"userIdentity": {"type": [{"regex": "R.*"}]}}}`, `detail.userIdentity.type: operator "regex" is unknown`},
		{`{"a": [{"Prefix": "x"}]}`, `a: operator "Prefix" is unknown`},
		{`{"a": [{"prefix": 1}]}`, `a: operator "prefix": takes a string, this is a number`},
		{`{"a": [{"prefix": {"suffix": "x"}}]}`, `a: operator "prefix": takes a string or equals-ignore-case alone`},
		{`{"a": [{"suffix": {"equals-ignore-case": true}}]}`, `a: operator "suffix": takes a string, this is a boolean`},
		{`{"a": [{"suffix": []}]}`, `a: operator "suffix": takes a string, this is an array`},
		{`{"a": [{"equals-ignore-case": ["x"]}]}`, `a: operator "equals-ignore-case": takes a string, this is an array`},
		{`{"a": [{"wildcard": null}]}`, `a: operator "wildcard": takes a string, this is null`},
		{`{"a": [{"wildcard": "a**b"}]}`, `a: operator "wildcard": has two stars in a row`},
		{`{"a": [{"wildcard": "a\\b"}]}`, `a: operator "wildcard": a backslash stands before`},
		{`{"a": [{"wildcard": "a\\"}]}`, `a: operator "wildcard": a backslash stands before`},
		{`{"a": [{"anything-but": []}]}`, `a: operator "anything-but": takes at least one value`},
		{`{"a": [{"anything-but": null}]}`, `a: operator "anything-but": takes strings or numbers, this is null`},
		{`{"a": [{"anything-but": ["x", 1]}]}`, `a: operator "anything-but": takes strings or numbers, not both`},
		{`{"a": [{"anything-but": [1e999]}]}`, `a: operator "anything-but": reading number 1e999: value out of range`},
		{`{"a": [{"anything-but": {}}]}`, `a: operator "anything-but": takes one operator, this has 0`},
		{`{"a": [{"anything-but": {"numeric": ["=", 1]}}]}`, `a: operator "anything-but": operator "numeric" within is unknown`},
		{`{"a": [{"anything-but": {"prefix": []}}]}`, `a: operator "anything-but": operator "prefix" within: takes at least one value`},
		{`{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}`, `a: operator "anything-but": operator "prefix" within: takes a string, this is an object`},
		{`{"a": [{"anything-but": {"wildcard": ["x", "**"]}}]}`, `a: operator "anything-but": operator "wildcard" within: has two stars in a row`},
		{`{"a": [{"numeric": 1}]}`, `a: operator "numeric": takes an array of one or two comparisons`},
		{`{"a": [{"numeric": [">"]}]}`, `a: operator "numeric": takes an array of one or two comparisons`},
		{`{"a": [{"numeric": [">", "1"]}]}`, `a: operator "numeric": a number follows the sign, this is a string`},
		{`{"a": [{"numeric": [">", 1e999]}]}`, `a: operator "numeric": reading number 1e999: value out of range`},
		{`{"a": [{"numeric": [">", 5000000001]}]}`, `a: operator "numeric": number 5000000001 is not within`},
		{`{"a": [{"numeric": ["!=", 1]}]}`, `a: operator "numeric": sign "!=" cannot stand here`},
		{`{"a": [{"numeric": [1, 1]}]}`, `a: operator "numeric": sign "" cannot stand here`},
		{`{"a": [{"numeric": ["<", 5, ">", 1]}]}`, `a: operator "numeric": sign "<" cannot stand here`},
		{`{"a": [{"numeric": [">", 5, "=", 6]}]}`, `a: operator "numeric": sign "=" cannot stand here`},
		{`{"a": [{"numeric": [">", 5, "<", 5]}]}`, `a: operator "numeric": the range is empty`},
		{`{"a": [{"cidr": "10.0.0.0"}]}`, `a: operator "cidr": reading address block: `},
		{`{"a": [{"cidr": 10}]}`, `a: operator "cidr": takes a string, this is a number`},
		{`{"a": [{"exists": "true"}]}`, `a: operator "exists": takes true or false, this is a string`},
		{`{"a": [{"exists": false}, "x"]}`, `a: operator "exists": must be alone`},
		{`{"a": ["x", {"exists": true}]}`, `a: operator "exists": must be alone`},
		{`{"$or": {"a": ["x"]}}`, "top level: $or takes an array, this is an object"},
		{`{"$or": []}`, "top level: $or needs at least two alternatives"},
		{`{"a": {"$or": [{"b": [1]}]}}`, "a: $or needs at least two alternatives"},
		{`{"$or": [{"a": [1]}, "x"]}`, "top level: an alternative of $or is an object, this is a string"},
		{`{"$or": [{"a": [1]}, {}]}`, "top level: an empty object"},
		{`{"$or": [{"a": [1]}, {"b": []}]}`, "b: an empty array"},
		{`{"$or": [{"a": [1]}, {"prefix": ["x"]}]}`, `top level: an alternative of $or has a field named as operator "prefix"`},
		{`{"$or": [{"a": [1]}, {"exists": ["x"]}]}`, `top level: an alternative of $or has a field named as operator "exists"`},
		{`{"a": {"b": [1]}, "$or": [{"a": {"b": [2]}}, {"c": [1]}]}`, "top level: field a.b is in $or and beside it"},
		{`{"a": {"$or": [{"b": [1]}, {"c": [1]}]}, "$or": [{"a": {"b": [2]}}, {"d": [1]}]}`, "top level: field a.b is in $or and beside it"},
		{"{" + strings.Join(tooMany, ", ") + "}", "$or makes more than 1000 combinations"},
		{`{"a": ["` + strings.Repeat("é", 2038) + `"]}`, "pattern has 2049 characters"},
	} {
		_, err := Compile([]byte(c.pattern))
		switch {
		case err == nil:
			t.Errorf("%s compiles, want %q", c.pattern, c.want)
		case !strings.Contains(err.Error(), c.want):
			t.Errorf("%s\n got %q\nwant %q", c.pattern, err, c.want)
		}
	}
	mustCompile(t, `{"a": ["`+strings.Repeat("é", 2037)+`"]}`)
}

func TestMatchErrors(t *testing.T) {
	p := mustCompile(t, `{"a": [1]}`)
	for _, event := range []string{``, `null`, `[]`, `"a"`, `{"a": 1`, `{"a": 1} {}`, `{"a": 1} x`, strings.Repeat(`{"a":`, 20_000)} {
		if ok, err := p.Match([]byte(event)); err == nil || ok {
			t.Errorf("%.40s: got %v, %v, want an error", event, ok, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(delivery(3, both("rootguard")...)), []byte(documented))
	f.Add([]byte(`{"a": [{"prefix": {"equals-ignore-case": "x"}}, {"wildcard": "a*\\*"}, {"anything-but": [1, 2]}, {"cidr": "::/0"}]}`), []byte(`{"a": ["x", "::", 1e999]}`))
	f.Add([]byte(`{"$or": [{"a": [{"exists": false}]}, {"b": {"c": [{"numeric": [">", 1, "<", 2]}]}}]}`), []byte(`{"b": [[{"c": 1.5}], null]}`))
	f.Fuzz(func(t *testing.T, pattern, event []byte) {
		p, err := Compile(pattern)
		if err != nil {
			return
		}
		first, err := p.Match(event)
		if err != nil && first {
			t.Errorf("a match and an error: %v", err)
		}
		// White space means nothing in an event.
		if second, _ := p.Match(append([]byte(" \n"), event...)); second != first {
			t.Errorf("pattern %s, event %s: %v, then %v", pattern, event, first, second)
		}
	})
}
