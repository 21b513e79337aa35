package detect

import (
	"fmt"
	"strings"
	"time"
)

// DayTwoRegressed is the finding about the second chapter of an account's journey.
const DayTwoRegressed ID = "account.day_two.regressed"

// dayTwoFindings are its row.
var dayTwoFindings = []Entry{
	{
		ID: DayTwoRegressed, Severity: Low, Title: "Day two regressed",
		Meaning:  "A step of day two that the settings choose was done, and a daily check finds that it is not any more.",
		CIS:      []string{"1.2", "1.8", "1.9"},
		NextStep: "Do again what the account needs, or take the step out of the setting dayTwo; find out who undid it.",
		Repeats:  Each,
	},
}

// RegressedStep is a step of day two that is not done any more.
type RegressedStep struct {
	Name, Title string
	What        string // what the check found
	Fix         string // what does it again
}

// DayTwo is the finding that steps of day two, at least one, regressed by the check
// of an account at a time. All that regressed at once are one finding. Its EventID
// is that of the account, the steps and the UTC day.
func DayTwo(account string, steps []RegressedStep, at time.Time) Finding {
	f := base(DayTwoRegressed)
	names, details, fixes := make([]string, len(steps)), make([]string, len(steps)), make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.Name
		details[i] = s.Title + ": was done, and is not any more; " + printable(s.What)
		fixes[i] = s.Name + ": " + s.Fix
	}
	list := strings.Join(names, ", ")
	f.Title += ": " + list
	if len(steps) > 1 {
		f.Title = fmt.Sprintf("%s: %d steps", entry(DayTwoRegressed).Title, len(steps))
	}
	f.Detail = sentence(details...)
	f.NextStep = strings.Join(fixes, ". ") + ". Then find out who undid it."
	f.Account, f.Target = account, Target{Resource: list}
	f.EventTime = at.UTC()
	f.opens(fmt.Sprintf("%s/%s/%s/%s", DayTwoRegressed, account, at.UTC().Format(time.DateOnly), strings.Join(names, "+")), at)
	f.Actor = Actor{Type: "AWSService", Name: "rootguard"}
	return f
}
