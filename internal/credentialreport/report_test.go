package credentialreport_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/credentialreport"
)

const header = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
	"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
	"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
	"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated"

const root = "<root_account>,arn:aws:iam::111111111111:root,2020-01-02T03:04:05+00:00,not_supported,2026-10-01T08:00:01+00:00,not_supported,not_supported,true," +
	"true,2021-01-01T00:00:00+00:00,2026-10-02T09:15:00+00:00,eu-west-3,s3,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"

const eve = "eve,arn:aws:iam::111111111111:user/team/eve,2025-03-01T12:00:00Z,TRUE,no_information,2025-03-01T12:00:00Z,N/A,FALSE," +
	"false,N/A,N/A,N/A,N/A,true,2025-04-01T00:00:00+02:00,N/A,N/A,N/A,true,2025-04-01T00:00:00Z,false,N/A"

func at(text string) time.Time {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return moment.UTC()
}

var rows = []credentialreport.Row{
	{
		User: credentialreport.RootUser, ARN: "arn:aws:iam::111111111111:root", Created: at("2020-01-02T03:04:05Z"),
		PasswordLastUsed: at("2026-10-01T08:00:01Z"), MFAActive: cloudtrail.Yes,
		Keys: [2]credentialreport.Key{
			{Active: cloudtrail.Yes, LastRotated: at("2021-01-01T00:00:00Z"), LastUsed: at("2026-10-02T09:15:00Z"), Region: "eu-west-3", Service: "s3"},
			{Active: cloudtrail.No},
		},
		Certificates: [2]cloudtrail.Answer{cloudtrail.No, cloudtrail.No},
	},
	{
		User: "eve", ARN: "arn:aws:iam::111111111111:user/team/eve", Created: at("2025-03-01T12:00:00Z"),
		PasswordEnabled: cloudtrail.Yes, MFAActive: cloudtrail.No,
		Keys:         [2]credentialreport.Key{{Active: cloudtrail.No}, {Active: cloudtrail.Yes, LastRotated: at("2025-03-31T22:00:00Z")}},
		Certificates: [2]cloudtrail.Answer{cloudtrail.Yes, cloudtrail.No},
	},
}

func read(t *testing.T, report string) ([]credentialreport.Row, credentialreport.Defects) {
	t.Helper()
	var got []credentialreport.Row
	defects, err := credentialreport.Read([]byte(report), func(r credentialreport.Row) bool {
		got = append(got, r)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, defects
}

func TestRead(t *testing.T) {
	// The same columns in reverse, between two that are not known.
	reverse := func(line string) string {
		fields := strings.Split(line, ",")
		for i, j := 0, len(fields)-1; i < j; i, j = i+1, j-1 {
			fields[i], fields[j] = fields[j], fields[i]
		}
		return "x," + strings.Join(fields, ",") + ",y"
	}
	for name, report := range map[string]string{
		"as IAM writes it":      header + "\n" + root + "\n" + eve,
		"with line breaks":      "\ufeff" + header + "\r\n" + root + "\r\n\r\n" + eve + "\r\n",
		"other order, new ones": reverse(header) + "\n" + reverse(root) + "\n" + reverse(eve) + "\n",
		"quoted":                strings.ToUpper(header) + "\n\"" + strings.ReplaceAll(root, ",", "\",\"") + "\"\n" + eve,
	} {
		t.Run(name, func(t *testing.T) {
			got, defects := read(t, report)
			if diff := cmp.Diff(rows, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if defects.Count != 0 {
				t.Errorf("defects: %+v", defects)
			}
		})
	}
}

// TestDefects holds that what cannot be read is named, and leaves the rest alone.
func TestDefects(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		kept       bool // its row
		want       string
	}{
		{"too few fields", "adam,arn", false, "line 3: it has 2 fields, and the header has 22"},
		{"a comma in a name that is not quoted", strings.Replace(eve, "eve", "e,ve", 1), false, "line 3: it has 23 fields, and the header has 22"},
		{"a quote that is not closed", strings.Replace(eve, "eve", `"eve`, 1), false, `line 3: splitting it: extraneous or missing " in quoted-field`},
		{"no name", strings.TrimPrefix(eve, "eve"), false, "line 3: it names no user"},
		{"very long", strings.Replace(eve, "eve", strings.Repeat("e", 1<<20), 1), false, "line 3: it has 1048"},
		{"a password that is neither", strings.Replace(eve, "TRUE", "maybe", 1), true, `line 3: password_enabled is "maybe", neither true nor false`},
		{"no time", strings.Replace(eve, "no_information", "yesterday", 1), true, `line 3: password_last_used is "yesterday", which is no time`},
		{"a time before there was IAM", strings.Replace(eve, "no_information", "0001-01-01T00:00:00Z", 1), true, `which is no time`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, defects := read(t, header+"\n"+root+"\n"+tt.line+"\n"+eve+"\n")
			want := 2
			if tt.kept {
				want = 3
			}
			if len(got) != want || got[0].User != credentialreport.RootUser || got[len(got)-1].User != "eve" {
				t.Errorf("%d rows, want %d: %+v", len(got), want, got)
			}
			if defects.Count != 1 || len(defects.First) != 1 || !strings.Contains(defects.First[0].String(), tt.want) {
				t.Errorf("defects %+v, want %q", defects, tt.want)
			}
		})
	}
	got, defects := read(t, header+"\n"+strings.Repeat("x\n", 1000)+root)
	if len(got) != 1 || defects.Count != 1000 || len(defects.First) > 10 {
		t.Errorf("%d rows, %d defects of which %d are named", len(got), defects.Count, len(defects.First))
	}
	for name, report := range map[string]string{
		"empty":             "",
		"blank":             " \n\n",
		"no report":         "<html>\nuser\n",
		"a broken header":   "\"user,arn\n" + root,
		"an endless header": strings.Repeat("user,", 1<<17),
	} {
		if _, err := credentialreport.Read([]byte(report), func(credentialreport.Row) bool { return true }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// A report of fewer columns says less.
	if got, defects := read(t, "arn,user\na,"+credentialreport.RootUser); len(got) != 1 || defects.Count != 0 || !got[0].Root() || got[0].MFAActive != cloudtrail.Unknown {
		t.Errorf("two columns: %+v, %+v", got, defects)
	}
}

func TestReadStops(t *testing.T) {
	seen := 0
	if _, err := credentialreport.Read([]byte(header+"\n"+root+"\n"+eve), func(credentialreport.Row) bool { seen++; return false }); err != nil || seen != 1 {
		t.Errorf("%d rows, %v", seen, err)
	}
}

// many is a report of 5,000 users, as many as an account may have.
func many() []byte {
	var b strings.Builder
	b.WriteString(header + "\n" + root + "\n")
	for i := range 5000 {
		b.WriteString(strings.ReplaceAll(eve, "eve", fmt.Sprintf("somebody.of.a.long.name-%04d@example.com", i)) + "\n")
	}
	return []byte(b.String())
}

// TestReadIsBounded holds that the rows of a report are not in memory together.
func TestReadIsBounded(t *testing.T) {
	report := many()
	alive := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, rows, most := alive(), 0, uint64(0)
	_, err := credentialreport.Read(report, func(credentialreport.Row) bool {
		if rows++; rows%1000 == 0 {
			most = max(most, alive())
		}
		return true
	})
	if err != nil || rows != 5001 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	if most > before+256<<10 {
		t.Errorf("%d KiB more are in use while %d KiB are read", (most-before)>>10, len(report)>>10)
	}
	runtime.KeepAlive(report)
}

func BenchmarkRead(b *testing.B) {
	report := many()
	b.SetBytes(int64(len(report)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := credentialreport.Read(report, func(credentialreport.Row) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(header + "\n" + root + "\n" + eve + "\n"))
	f.Add([]byte("\ufeffuser,arn\r\n\"a,b\",c\r\n\"open\r\nx,y,z\r\n"))
	f.Add([]byte("user,user\n<root_account>,b"))
	f.Fuzz(func(t *testing.T, report []byte) {
		lines, rows := strings.Count(string(report), "\n")+1, 0
		defects, err := credentialreport.Read(report, func(r credentialreport.Row) bool {
			rows++
			if r.User == "" {
				t.Error("a row without a user")
			}
			return true
		})
		if err != nil && rows > 0 {
			t.Errorf("%d rows beside %v", rows, err)
		}
		if rows > lines || len(defects.First) > defects.Count {
			t.Errorf("%d rows of %d lines, %+v", rows, lines, defects)
		}
	})
}
