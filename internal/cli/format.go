package cli

import (
	"fmt"
	"time"

	"rootguard/internal/alert"
)

// format is how alerts are printed.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
	formatOCSF format = "ocsf"
	formatASFF format = "asff"

	formatOCSF16 format = "ocsf-1.6"
)

// chosen is the format of --format, --json being short for one of them.
func (c replayCmd) chosen() (format, error) {
	f := c.Format
	switch f {
	case "", formatText, formatJSON, formatOCSF, formatOCSF16, formatASFF:
	default:
		return "", usageError{fmt.Sprintf("--format %s: there are text, json, ocsf, ocsf-1.6 and asff", f)}
	}
	switch {
	case c.JSON && f != "" && f != formatJSON:
		return "", usageError{fmt.Sprintf("--json is short for --format json, so it cannot be given with --format %s: leave one out", f)}
	case c.Explain && (f == formatOCSF || f == formatOCSF16 || f == formatASFF):
		return "", usageError{fmt.Sprintf("--explain shows records that are no finding, for which --format %s has no form: use text or json", f)}
	case c.JSON:
		return formatJSON, nil
	case f == "":
		return formatText, nil
	}
	return f, nil
}

// render is an alert on one line.
func (f format) render(a alert.Alert, now time.Time) ([]byte, error) {
	switch f {
	case formatJSON:
		return alert.JSON(a)
	case formatOCSF:
		return alert.OCSF(a)
	case formatOCSF16:
		return alert.OCSF16(a)
	case formatASFF:
		return alert.ASFF(a, alert.Hub{}, now)
	default:
		return []byte(alert.Line(a)), nil
	}
}
