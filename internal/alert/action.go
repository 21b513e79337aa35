package alert

import (
	"strings"

	"rootguard/internal/detect"
)

// ActionOf names the call as IAM policies do, "iam:CreateUser".
func ActionOf(f *detect.Finding) Action {
	a := Action{Name: f.EventName}
	if source := strings.TrimSuffix(f.EventSource, ".amazonaws.com"); source != "" {
		a.Name = source + ":" + f.EventName
	}
	switch {
	case f.Target.UserName != "":
		a.Target = f.Target.UserName
	case f.Target.UserID != "":
		a.Target = f.Target.UserID
	case f.Target.Resource != "":
		a.Target = f.Target.Resource
	case f.ID == detect.RootSigninFailed && f.SourceIP != "":
		a.Target = "from " + f.SourceIP
	}
	return BoundAction(a)
}
