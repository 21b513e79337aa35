package daytwo

import (
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/bootstrap"
	"rootguard/internal/drill"
)

// judgeBootstrapAdmin needs no read: an administrator by a role and no longer one by
// a password of IAM is on record.
func judgeBootstrapAdmin(in *Input) Verdict {
	var left, maybe []string
	for i := range in.Status.Users {
		u := &in.Status.Users[i]
		switch {
		case u.Deleted || !u.ConsoleAccess && u.MFA == bootstrap.MFANotNeeded:
		case u.Admin:
			left = append(left, u.Name)
		case u.CreatedAt.IsZero(): // it was there before the first record, with rights that none shows
			maybe = append(maybe, u.Name)
		}
	}
	switch {
	case len(left) > 0:
		return missing("an administrator with a console password of IAM: %s", named(left))
	case !federated(in.Status):
		return unknown("no federated administrator has signed in yet, who could take over")
	case len(maybe) > 0:
		return unknown("whether these IAM users with a console password have administrator rights is on no record: %s", named(maybe))
	default:
		return done("no IAM user on record has a console password and administrator rights")
	}
}

// federated reports whether the administrator on record is one by a role: the steps
// that an IAM user would take are not needed then.
func federated(s *bootstrap.Status) bool {
	exists, byRole := false, false
	for _, step := range s.Steps {
		exists = exists || step.Step == bootstrap.AdminUser && step.State == bootstrap.Done
		byRole = byRole || step.Step == bootstrap.AdminMFA && step.State == bootstrap.NotApplicable
	}
	return exists && byRole
}

// maxNamed bounds how many users or trails are named.
const maxNamed = 5

func named(names []string) string {
	slices.Sort(names)
	if more := len(names) - maxNamed; more > 0 {
		return strings.Join(names[:maxNamed], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

func judgeCentral(in *Input) Verdict {
	switch c := in.Answers.Central; {
	case c == nil:
		return unknown("central root access was not read")
	case c.Outside != "":
		return notNeeded("%s", c.Outside)
	case c.Credentials && c.Sessions:
		return done("RootCredentialsManagement and RootSessions are enabled")
	case c.Credentials:
		return done("RootCredentialsManagement is enabled")
	default:
		return missing("RootCredentialsManagement is not enabled")
	}
}

func judgeTrail(in *Input) Verdict {
	t := in.Answers.Trails
	if t == nil {
		return unknown("the trails were not read")
	}
	why, less := "", []string{}
	for _, one := range t.All {
		switch {
		case one.Unknown != "":
			why = one.Unknown
		case one.Logging && one.Regions && one.Whole:
			return done("trail %s logs all management events of all Regions", one.Name)
		case !one.Logging:
			less = append(less, one.Name+" is off")
		case !one.Regions:
			less = append(less, one.Name+" is of one Region")
		default:
			less = append(less, one.Name+" leaves management events out")
		}
	}
	switch {
	case why != "":
		return unknown("%s", why)
	case len(less) == 0:
		return missing("there is no trail")
	default:
		return missing("no trail logs all management events of all Regions: %s", named(less))
	}
}

// count is a number and its noun: "1 budget", "2 budgets".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func judgeBudget(in *Input) Verdict {
	b := in.Answers.Budgets
	switch {
	case b == nil:
		return unknown("the budgets were not read")
	case b.Emails > 0:
		return done("%s, %s by e-mail", count(b.Count, "budget"), count(b.Emails, "notification"))
	case b.Confirmed > 0:
		return done("%s, %s to a topic with a confirmed subscription", count(b.Count, "budget"), count(b.Confirmed, "notification"))
	case len(b.Unknown) > 0:
		return unknown("%s", b.Unknown[0])
	case b.More:
		return unknown("there are more budgets than rootguard reads, and the first have no receiver")
	case b.Count == 0:
		return missing("there is no budget")
	case b.Pending > 0:
		return missing("%s, and of the topics that are notified no subscription is confirmed", count(b.Count, "budget"))
	default:
		return missing("%s, none with a receiver", count(b.Count, "budget"))
	}
}

func judgeAnalyzer(in *Input) Verdict {
	a := in.Answers.Analyzers
	switch {
	case a == nil:
		return unknown("the analyzers were not read")
	case len(a.Active) > 0:
		return done("active: %s", named(a.Active))
	case len(a.Inactive) > 0:
		return missing("not active: %s", named(a.Inactive))
	default:
		return missing("there is no analyzer of external access")
	}
}

func judgeS3(in *Input) Verdict {
	s := in.Answers.S3
	if s == nil {
		return unknown("the public access block was not read")
	}
	var off []string
	for name, on := range map[string]bool{
		"BlockPublicAcls": s.BlockPublicACLs, "IgnorePublicAcls": s.IgnorePublicACLs,
		"BlockPublicPolicy": s.BlockPublicPolicy, "RestrictPublicBuckets": s.RestrictPublicBuckets,
	} {
		if !on {
			off = append(off, name)
		}
	}
	if len(off) > 0 {
		return missing("off: %s", named(off))
	}
	return done("all four settings are on")
}

func judgeEBS(in *Input) Verdict {
	switch e := in.Answers.EBS; {
	case e == nil:
		return unknown("EBS encryption by default was not read")
	case e.Default:
		return done("encryption by default is on in %s", e.Region)
	default:
		return missing("encryption by default is off in %s", e.Region)
	}
}

func judgeDrill(in *Input) Verdict {
	d := in.Answers.Drill
	if d == nil {
		return unknown("what is on record was not read")
	}
	switch state, what := d.Policy.Judge(in.Status, d.Last, in.Answers.At); state {
	case drill.Done:
		return done("%s", what)
	case drill.Overdue:
		return missing("%s", what)
	default:
		return notNeeded("%s", what)
	}
}
