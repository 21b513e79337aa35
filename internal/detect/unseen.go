package detect

import (
	"fmt"
	"time"
)

// Credential is a kind of credential of root.
type Credential string

// The credentials whose last use IAM reports. The value is a part of the EventID.
const (
	Password  Credential = "password"
	AccessKey Credential = "access_key"
)

// RootUse is a use of a credential of root, as an IAM credential report shows it.
type RootUse struct {
	Credential Credential `json:"credential"`
	At         time.Time  `json:"at"`                // the report's last use
	Region     string     `json:"region,omitempty"`  // of the call that a key signed; "" of a password, and where the report has none
	Service    string     `json:"service,omitempty"` // as above: its namespace, "s3"
}

// UseUnseen is the finding that root was used and no event of it arrived. Its
// EventID depends on account, credential and time alone, so that one use is
// reported once. nearby says for people within what time an event would have
// explained it.
func UseUnseen(account string, u RootUse, nearby time.Duration) Finding {
	f := base(RootUseUnseen)
	at := u.At.UTC().Format(time.RFC3339)
	f.Title = "Root password used, and no event arrived"
	what := "IAM credential report: root's password was last used at " + at
	check := "A root sign-in is recorded in the partition's home Region of IAM: check that a trail there logs management events, and the rules root-sign-in and root-activity"
	if u.Credential == AccessKey {
		f.Title = "Root access key used, and no event arrived"
		what = "IAM credential report: an access key of root was last used at " + at
		if u.Service != "" {
			f.Title += ": " + printable(u.Service)
			what += ", service " + printable(u.Service)
		}
		check = "Check that a trail there logs management events, and the rules root-activity and root-credentials"
		if u.Region != "" {
			what += ", Region " + printable(u.Region)
			check = "Check first that rootguard has a forwarder in " + printable(u.Region) +
				", then that a trail logs management events there, and the rules root-activity and root-credentials"
		}
		check += ". Calls on data alone, such as reading S3 objects or DynamoDB items, are in no trail's management events and never arrive"
	}
	f.Detail = sentence(what, fmt.Sprintf("no event of root with this credential within %s of that reached rootguard", spell(nearby))) + " " +
		sentence(check)
	f.Account, f.Region = account, u.Region
	f.Session = string(u.Credential) + " " + at // each use is alerted by itself
	f.EventTime = u.At.UTC()
	f.opens(fmt.Sprintf("%s/%s/%s/%s", RootUseUnseen, account, u.Credential, at), u.At)
	f.Actor = Actor{Type: "Root", Name: "root"}
	return f
}

// UseExplained makes of a UseUnseen the note that an event of it arrived after
// all. event is its ID.
func UseExplained(f Finding, event string, at time.Time) Finding {
	f.Title = "Root use explained by a late event"
	f.Detail = sentence("Closed: event "+orUnnamed(event)+" arrived late and explains it", "It was: "+f.Detail)
	f.Severity, f.NextStep = Info, "Find out why the event was late: rootguard doctor. The event's own alert says what root did."
	f.Session = "closed"
	f.EventTime = at.UTC()
	f.follows(PhaseResolved, "/closed")
	return f
}

// spell is a duration of whole minutes for people.
func spell(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d.Minutes())) }
