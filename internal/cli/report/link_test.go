package report

import (
	"reflect"
	"strings"
	"testing"
)

// filled sets every string below a value, but for those of a type of their own,
// which are words of rootguard, for IDs that AWS makes, and for the path of the store.
func filled(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() && v.CanSet() && v.String() != "" {
			v.SetString(s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			filled(v.Elem(), s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch v.Type().Field(i).Name {
			case "Account", "Region", "EventID", "AccessKeyID", "UserID", "PrincipalID", "CIS", "ATTACK", "Version", "Session", "Source":
			default:
				filled(v.Field(i), s)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			filled(v.Index(i), s)
		}
	default:
	}
}

// TestNoNameMakesALink fills each name and text of a report with what a mail reader
// would link, where the page is sent as one.
func TestNoNameMakesALink(t *testing.T) {
	r := sample(4, 30)
	filled(reflect.ValueOf(&r).Elem(), "www.evil.com/lock jane@evil.com")
	page := render(t, r)
	for _, bad := range []string{"evil.com", "www.evil", "jane@"} {
		if i := strings.Index(page, bad); i >= 0 {
			t.Errorf("the page has %q: %s", bad, page[max(0, i-120):min(len(page), i+60)])
		}
	}
	if !strings.Contains(page, "jane[@]evil[.]com") {
		t.Error("the page does not show the names")
	}
}
