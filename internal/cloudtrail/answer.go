package cloudtrail

// Answer is what a record says to a yes-or-no question. Absent is Unknown: a
// sign-in record without MFAUsed has not said that no MFA was used.
type Answer uint8

// The three answers. The zero value is Unknown.
const (
	Unknown Answer = iota
	No
	Yes
)

func (a Answer) String() string {
	switch a {
	case Yes:
		return "yes"
	case No:
		return "no"
	default:
		return "unknown"
	}
}

// MarshalText makes an Answer read "yes", "no" or "unknown" in JSON.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote; any other text is Unknown.
func (a *Answer) UnmarshalText(text []byte) error {
	switch string(text) {
	case "yes":
		*a = Yes
	case "no":
		*a = No
	default:
		*a = Unknown
	}
	return nil
}
