package cloudtrail

// Category is the kind of event a record reports: eventCategory, or where a
// record is from before that existed, its eventType.
type Category uint8

// The categories (AWS CloudTrail User Guide, "CloudTrail record contents for
// management, data, and network activity events", "CloudTrail record contents
// for Insights events", "CloudTrail record contents for aggregated events",
// "CloudTrail Lake event data stores").
const (
	Management      Category = iota // also where a record does not say
	Data                            // calls on what a resource holds
	NetworkActivity                 // a call as a VPC endpoint saw it, before IAM judged it
	Insight                         // unusual numbers of calls
	Aggregated                      // counts of data events
	OtherCategory                   // Config items, audit evidence and activity from outside AWS, in CloudTrail Lake
)

// IsCall reports whether a record of the category is of a request that was made:
// only such records are judged.
func (c Category) IsCall() bool { return c == Management || c == Data }

func (c Category) String() string {
	switch c {
	case Management:
		return "Management"
	case Data:
		return "Data"
	case NetworkActivity:
		return "NetworkActivity"
	case Insight:
		return "Insight"
	case Aggregated:
		return "Aggregated"
	default:
		return "Other"
	}
}

// categoryOf is the category by eventCategory and eventType. One that is not
// known is judged, rather than lost.
func categoryOf[T string | []byte](category, eventType T) Category {
	switch string(category) {
	case "Management":
		return Management
	case "Data":
		return Data
	case "NetworkActivity":
		return NetworkActivity
	case "Insight":
		return Insight
	case "Aggregated":
		return Aggregated
	case "ConfigurationItem", "Evidence", "ActivityAuditLog":
		return OtherCategory
	}
	switch string(eventType) {
	case "AwsVpceEvent":
		return NetworkActivity
	case "AwsCloudTrailInsight":
		return Insight
	case "AwsAggregatedEvent":
		return Aggregated
	default:
		return Management
	}
}

// category is that of the scanned record.
func (s *scanner) category(b []byte) Category {
	return categoryOf(s.plain(b, eventCategory), s.plain(b, eventType))
}
