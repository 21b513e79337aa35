package detect

import (
	"slices"
	"strings"
	"time"
)

// Deployment is an update of one of rootguard's own stacks.
type Deployment struct {
	Stack string    // its name
	Event string    // ID of the stack's event with which it began; "" where that is not known
	Began time.Time // zero where that is not known

	Created bool // it made the stack, which was not there before
}

// AnnouncedDeployment says that someone announced an update of rootguard's stacks.
type AnnouncedDeployment struct {
	ID      string
	By      []string // who deploys, as DeployedBy takes them
	Version string   // that is deployed; "" where it was not given
	Owner   string   // who announced it, for people
	Reason  string
	Until   time.Time
}

// Deploys reports whether a finding about rootguard's own parts may be a part of a
// deployment: a call of a new version that succeeded, by CloudFormation, or on the
// stack itself.
func Deploys(f *Finding) bool {
	return f.ID == GuardTampered && f.OfNewVersion && f.ErrorCode == "" && len(f.Also) == 0 &&
		(f.ThroughCloudFormation() || UpdatesStack(f))
}

// UpdatesStack reports whether the call is one that begins a stack's update.
func UpdatesStack(f *Finding) bool {
	return f.EventSource == cloudFormation && (f.EventName == "ExecuteChangeSet" || f.EventName == "UpdateStack")
}

// DeployedBy reports whether one of some names is that of who made a call: the ARN of
// a user or role, or of a session of the role, or a role's name, with an asterisk at its
// end for all that begin so. All are of the finding's account.
func DeployedBy(names []string, f *Finding) bool {
	account, kind, name := roleOrUser(f.Actor.ARN)
	if name == "" || account != f.Account {
		return false
	}
	return slices.ContainsFunc(names, func(by string) bool {
		if strings.HasPrefix(by, "arn:") {
			of, what, is := roleOrUser(by)
			return of == account && what == kind && is == name
		}
		begin, all := strings.CutSuffix(by, "*")
		return kind == "role" && begin != "" && (begin == name || all && strings.HasPrefix(name, begin))
	})
}

// roleOrUser is the account, kind and name of the user or role of an ARN, without path
// and session; "" where it is of neither.
func roleOrUser(arn string) (account, kind, name string) {
	_, account, kind, name = principalOf(arn)
	switch kind {
	case "assumed-role":
		name, _, _ = strings.Cut(name, "/")
		return account, "role", name
	case "role", "user": // with a path
		return account, kind, name[strings.LastIndexByte(name, '/')+1:]
	}
	return "", "", ""
}

// deployedTitle begins the title of a note about a deployment.
const deployedTitle = "rootguard was deployed by "

// Deployed is the one note about a deployment, made of the first finding of it that
// came. a is nil where no one announced it.
func Deployed(f Finding, d Deployment, a *AnnouncedDeployment) Finding {
	f.Title = deployedTitle + printable(orUnnamed(f.Actor.Name, f.Actor.ARN))
	f.Severity = High
	f.Target.Resource = "stack " + d.Stack
	about := "CloudFormation updated rootguard's own stack " + d.Stack
	if d.Created {
		about = "CloudFormation made rootguard's own stack " + d.Stack
	}
	if !d.Began.IsZero() {
		about += " from " + d.Began.UTC().Format(time.RFC3339) + " on"
	}
	if d.Event != "" {
		about += ", stack event " + d.Event
	}
	rest := "What else this deployment changes has no alert of its own; what it removes or disables, and what it changes of topics, receivers, table, trail and keys, has."
	if a == nil && d.Created { // there was nothing yet that it could weaken
		f.Severity = Low
		f.Detail = sentence(about) + " " + rest
		f.NextStep = "Nothing to do if you deployed. Then run rootguard doctor."
		return f
	}
	if a == nil {
		f.Title += ", not announced"
		f.Detail = sentence(about) + " No one had announced it. " + rest
		f.NextStep = "Ask who deployed. If no one answers: compare the functions' code and the rules with the release (rootguard doctor), deploy it again, and check what the same session did before and after. Announce the next deployment: rootguard announce deploy."
		return f
	}
	f.Severity = Low
	what := "Announcement " + a.ID + " by " + a.Owner
	if a.Version != "" {
		what += ", version " + a.Version
	}
	f.Detail = sentence(about) + " " + sentence(what+", until "+a.Until.UTC().Format(time.RFC3339), "reason: "+a.Reason) + " " + rest
	f.NextStep = "Nothing to do if " + printable(a.Owner) + " deployed; ask. Then run rootguard doctor."
	return f
}
