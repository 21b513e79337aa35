package detect

import "rootguard/internal/cloudtrail"

// Own names the resources that make up rootguard itself.
type Own struct {
	// Prefix begins the names of its functions, rules, topic, table and queues;
	// "" is DefaultPrefix.
	Prefix string
	// Trails are the names or ARNs of the trails that feed it. Empty means any
	// trail, since the one that does is then not known.
	Trails []string
}

// DefaultPrefix begins the names of rootguard's resources.
const DefaultPrefix = "rootguard"

// AssumedRoot is what is known of an access key that sts:AssumeRoot issued.
// Records of its use in the member account may lack assumedRoot.
type AssumedRoot struct {
	TaskPolicy string // ARN or name of the task policy
	By         string // who called AssumeRoot, for people
	EventID    string // of the AssumeRoot record
}

// Detector judges records. The zero value uses defaults.
type Detector struct {
	Own Own
}

// Detect says what a record means. assumed is not nil where the record's access
// key is known to come from sts:AssumeRoot.
func (d *Detector) Detect(rec *cloudtrail.Record, assumed *AssumedRoot) Outcome {
	if f, ok := d.judge(rec, assumed); ok {
		return Outcome{Kind: Matched, Finding: f}
	}
	return Outcome{Kind: Skipped, Reason: "no rule looks at such a record"}
}

func (d *Detector) judge(rec *cloudtrail.Record, _ *AssumedRoot) (Finding, bool) {
	if rec.EventSource == cloudtrail.IAMSource && rec.EventName == "CreateUser" && !rec.Failed() {
		f := base(UserCreated)
		f.EventID, f.EventTime, f.Account, f.Session = rec.EventID, rec.EventTime, rec.Account(), SessionOf(rec)
		return f, true
	}
	return Finding{}, false
}

// Candidate says cheaply whether a record with this header could matter to any
// rule or to the bootstrap journey.
func Candidate(h cloudtrail.Header) bool {
	return string(h.IdentityType) == "Root" || string(h.EventSource) == cloudtrail.IAMSource
}
