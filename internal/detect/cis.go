package detect

// cisSince is how later versions of the CIS AWS Foundations Benchmark number the
// controls of v1.4.0 to v3.0.0 (Security Hub User Guide, "CIS AWS Foundations
// Benchmark"; CIS AWS Foundations Benchmark v7.0.0, sections 2 and 5). "" is a
// control that the version no longer has.
var cisSince = map[string][2]string{ // v5.0.0, v7.0.0
	"1.2":  {"1.2", "2.3"},
	"1.4":  {"1.3", "2.4"},
	"1.5":  {"1.4", "2.5"},
	"1.6":  {"1.5", "2.6"},
	"1.7":  {"1.6", "2.7"},
	"1.8":  {"1.7", "2.8"},
	"1.9":  {"1.8", "2.9"},
	"1.10": {"1.9", "2.10"},
	"1.11": {"1.10", ""},
	"1.13": {"1.12", ""},
	"1.14": {"1.13", "2.12"},
	"1.16": {"1.15", "2.14"},
	"1.20": {"1.19", "2.18"},
	"3.1":  {"3.1", "4.1"},
	"4.2":  {"4.2", "5.2"},
	"4.3":  {"4.3", "5.3"},
	"4.4":  {"4.4", "5.4"},
	"4.5":  {"4.5", "5.5"},
	"4.6":  {"4.6", "5.6"},
	"4.15": {"4.15", "5.15"},
}

// CISVersions are the versions of the CIS AWS Foundations Benchmark by which
// CISIn numbers.
func CISVersions() []string { return []string{"3.0.0", "5.0.0", "7.0.0"} }

// CISIn numbers controls as Entry and Finding have them by another version, which
// is one of CISVersions. Controls that the version does not have are left out.
// Central root access has a control of its own since v7.0.0.
func CISIn(version string, id ID, controls []string) []string {
	if version == "3.0.0" {
		return append([]string(nil), controls...)
	}
	at := 0
	if version == "7.0.0" {
		at = 1
	}
	var out []string
	if at == 1 && id == OrgRootAccessChanged {
		out = append(out, "2.1.1")
	}
	for _, c := range controls {
		if n := cisSince[c][at]; n != "" {
			out = append(out, n)
		}
	}
	return out
}
