package health

import (
	"context"
	"errors"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

// ErrAbsent is what a port returns, wrapped, where what was asked for does not
// exist. Any other error means that it is not known.
var ErrAbsent = errors.New("it does not exist")

// Trails reports the trails that log events of a Region.
type Trails interface {
	Trails(ctx context.Context) ([]Trail, error)
}

// Trail is a trail of CloudTrail.
type Trail struct {
	Name, ARN, HomeRegion string

	MultiRegion, GlobalServiceEvents bool

	Logging       bool
	DeliveryError string // of its latest log file; "" where that arrived
	Reads, Writes bool   // the management events that it logs
	Partly        string // by what it may leave some of these out; "" where it does not

	Err    error // why the five above are not known
	Unseen error // why Reads, Writes and Partly alone are not: it belongs to others, or elsewhere
}

// Rules reports EventBridge rules on the default bus of a Region, "" being the
// guard's own.
type Rules interface {
	// Rules returns all whose name begins with a prefix.
	Rules(ctx context.Context, region, prefix string) ([]Rule, error)
	Targets(ctx context.Context, region, rule string) ([]Target, error)
	// DefaultBus describes the bus itself.
	DefaultBus(ctx context.Context, region string) (EventBus, error)
}

// EventBus is an event bus of EventBridge.
type EventBus struct {
	Key    string // ID or ARN of the customer's KMS key that encrypts its events, patterns and targets, or ""
	Policy string // its resource policy, JSON; "" where there is none
}

// Rule is an EventBridge rule. One of Pattern and Schedule is set.
type Rule struct {
	Name, ARN, State, Pattern, Schedule string
}

// Target is what a rule sends its events to.
type Target struct {
	ARN         string
	DeadLetters string // ARN of the queue for what cannot be delivered, or ""
	Rewrites    bool   // it sends something else than the event
}

// Bus puts the event that the guard works on the default event bus.
type Bus interface {
	Put(ctx context.Context, at time.Time) error
}

// Recorder makes the call that CloudTrail records as a heartbeat.
type Recorder interface {
	Record(ctx context.Context, id string) error
}

// Functions reports Lambda functions.
type Functions interface {
	Function(ctx context.Context, name string) (Function, error)
}

// Function is a Lambda function.
type Function struct {
	Runtime           string
	State, Reason     string // "Active", "Inactive", "Pending" or "Failed"
	Update, UpdateWhy string // of the last update: "Successful", "InProgress" or "Failed"
	Environment       map[string]string
	Reserved          *int   // concurrency; nil: unreserved
	OnFailure         string // ARN of the destination, or ""
	Policy            string // its resource policy, JSON; "" where there is none

	Code           string // base64 of the SHA-256 of its archive
	Handler        string
	Role           string   // ARN
	Layers         []string // ARNs
	VPC            string   // ID, or ""
	Timeout        time.Duration
	RuntimeUpdates string // "Auto", "FunctionUpdate" or "Manual"
}

// Roles describes IAM roles.
type Roles interface {
	Role(ctx context.Context, name string) (Role, error)
}

// Role is an IAM role.
type Role struct {
	Trust    string            // JSON
	Boundary string            // ARN of its permissions boundary, or ""
	Attached []string          // ARNs of managed policies
	Inline   map[string]string // JSON by name
}

// Queues reports SQS queues by URL, or by name in a Region.
type Queues interface {
	Queue(ctx context.Context, region, queue string) (Queue, error)
}

// Queue is about how many messages are in a queue.
type Queue struct{ Visible, Hidden int }

// Messages reads what waits in a queue, and leaves it there.
type Messages interface {
	// Malformed reads messages of a queue, by its URL, and says which hold no event.
	Malformed(ctx context.Context, url string) (Malformed, error)
}

// Malformed are the messages of a queue that hold no event, which no redrive can
// deliver.
type Malformed struct {
	Read   int       // messages that were read; more may wait
	Count  int       // of these, malformed ones
	Oldest time.Time // when the oldest of those was sent to the queue
	ID     string    // its
}

// Topics describes SNS topics.
type Topics interface {
	Topic(ctx context.Context, arn string) (Topic, error)
	Receivers(ctx context.Context, arn string) (Receivers, error)
	// Texting describes how the account sends text messages.
	Texting(ctx context.Context) (Texting, error)
}

// Receivers are the subscriptions of a topic, and what is withheld from all of them.
type Receivers struct {
	List []Receiver
	More int // subscriptions of which the filter and the confirmation were not read
	// DataProtection is the policy by which SNS masks or refuses messages, JSON; ""
	// where there is none.
	DataProtection string
	Unprotected    error // why it is not known whether there is one
}

// Receiver is one subscription.
type Receiver struct {
	ARN, Protocol, Endpoint string // ARN: "" unless it is confirmed

	Pending, Deleted bool
	Unread           bool   // the three below are not known
	Filter           string // JSON, or ""
	FilterScope      string // "MessageAttributes", "MessageBody" or ""
	Authenticated    bool   // only anyone who has a permission can end it
}

// Texting is how an account sends text messages.
type Texting struct {
	Sandbox bool   // only to numbers that were verified
	Limit   string // dollars a month, as SNS writes it; "" where none is set
}

// Topic is an SNS topic.
type Topic struct {
	Confirmed, Pending, Deleted int      // subscriptions; deleted ones are forgotten after some days
	Waiting                     []string // the pending ones, as "email ops@example.com"; some of them, or none where not known
	Key                         string   // ID, ARN or alias of the KMS key, or ""
	Policy                      string   // its resource policy, JSON
	DeliveryPolicy              string   // of its own for retries over HTTP, JSON; "" where SNS's holds
}

// Keys reports KMS keys.
type Keys interface {
	Key(ctx context.Context, id string) (Key, error)
}

// Key is a KMS key.
type Key struct {
	State   string    // "Enabled", "Disabled", "PendingDeletion", …
	Deleted time.Time // when it will be; zero where it will not
}

// Tables reports DynamoDB tables.
type Tables interface {
	Table(ctx context.Context, name string) (Table, error)
	Protection(ctx context.Context, name string) (Protection, error)
	// TablePolicy returns the resource policy of a table, by its ARN, JSON; "" where
	// there is none.
	TablePolicy(ctx context.Context, arn string) (string, error)
}

// Table is a DynamoDB table.
type Table struct {
	Status             string            // "ACTIVE", …
	Indexes            map[string]string // status by name
	DeletionProtection bool

	Key          string    // ARN of the KMS key, "" where DynamoDB owns it
	Inaccessible time.Time // since when DynamoDB cannot use that key; zero where it can
	Provisioned  bool      // and not on demand
	// ReadLimit and WriteLimit are the most request units a second, of the table or
	// an index, on demand; 0 where there is no such limit.
	ReadLimit, WriteLimit int64
}

// Protection is what keeps a table's items, and rids it of old ones.
type Protection struct {
	TTL                 string // the attribute that expires items, "" where that is off
	PointInTimeRecovery bool
}

// Alarms describes CloudWatch alarms, and what mutes them.
type Alarms interface {
	// Alarms returns the metric alarms whose name begins with a prefix.
	Alarms(ctx context.Context, prefix string) ([]Alarm, error)
	// Mutes returns the alarm mute rules that mute now or will.
	Mutes(ctx context.Context) ([]Mute, error)
}

// Alarm is a CloudWatch alarm.
type Alarm struct {
	Name    string
	Enabled bool     // its actions are
	Actions []string // ARNs, of when it begins to ring
}

// Mute is an alarm mute rule. With no alarms it mutes all of them.
type Mute struct {
	Name   string
	Alarms []string
}

// Metrics reads metrics of AWS services.
type Metrics interface {
	// Sums returns the sum of each metric between two times, in their order.
	Sums(ctx context.Context, of []Metric, from, to time.Time) ([]float64, error)
}

// Metric is a metric of one dimension.
type Metric struct{ Namespace, Name, Dimension, Value string }

// Regions describes which Regions the account has enabled.
type Regions interface {
	Enabled(ctx context.Context) ([]string, error)
}

// Heartbeat is one recorded heartbeat.
type Heartbeat struct {
	ID       string               `json:"id"`
	At       time.Time            `json:"at"`                 // of the run
	Put      time.Time            `json:"put"`                // by the clock, before it was made
	Received map[string]time.Time `json:"received,omitempty"` // by function, by the clock
}

// Store keeps the state of all checks, and heartbeats.
type Store interface {
	// Health returns the state, the zero value where there is none.
	Health(ctx context.Context) (State, error)
	// UpdateHealth reads the state, calls decide and stores what it returns, all in
	// one transaction. decide is pure and may be called again after a conflict; store
	// is false where there is nothing to store.
	UpdateHealth(ctx context.Context, decide func(State) (now State, store bool)) error
	// AddHeartbeat keeps a heartbeat for some hours.
	AddHeartbeat(ctx context.Context, b Heartbeat) error
	// Heartbeats returns the heartbeats of the IDs that there are.
	Heartbeats(ctx context.Context, ids []string) ([]Heartbeat, error)
}

// Raiser reports a finding, once.
type Raiser interface {
	Raise(ctx context.Context, f detect.Finding) (guard.Result, error)
}
