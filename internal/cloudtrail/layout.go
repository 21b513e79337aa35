package cloudtrail

import (
	"bytes"
	"encoding/binary"
)

// field is a member of a record that the typed Record is made of, or of an
// object that wraps records.
type field uint8

// The fields. The members of an object come right after it, and theirs too.
const (
	noField field = iota // also stands for the record itself, as an object
	eventVersion
	eventID
	sharedEventID
	eventTime
	eventSource
	eventName
	eventType
	eventCategory
	awsRegion
	sourceIPAddress
	userAgent
	errorCode
	errorMessage
	readOnly
	managementEvent
	recipientAccountID
	requestParameters
	responseElements
	additionalEventData
	serviceEventDetails
	addendum
	addendumReason
	addendumUpdatedFields
	addendumRequestID
	addendumEventID
	userIdentity
	identityType
	identityPrincipalID
	identityARN
	identityAccountID
	identityAccessKeyID
	identityUserName
	identityInvokedBy
	sessionContext
	assumedRoot
	sessionAttributes
	creationDate
	mfaAuthenticated
	sessionIssuer
	issuerType
	issuerARN
	issuerUserName
	lastRecordField = iota - 1
)

// The fields of what wraps records. Only a Reader checks these.
const (
	listRecords      field = iota + lastRecordField + 1 // {"Records":[…]}, a log file
	listEvents                                          // {"Events":[…]}, the output of LookupEvents
	listLogEvents                                       // {"logEvents":[…]}, a CloudWatch Logs subscription
	listFiltered                                        // {"events":[…]}, the output of FilterLogEvents and GetLogEvents
	listOther                                           // any other list that exports have, or the object around it, see wrapperLists
	originalText                                        // the record as text, beside columns made of it
	lookupRecord                                        // CloudTrailEvent, in an element of Events
	logMessage                                          // message, in an element of logEvents or events
	logMessageType                                      // messageType, beside logEvents
	bridgeDetail                                        // detail, in an EventBridge event
	bridgeDetailType                                    // detail-type
	lambdaLogs                                          // awslogs, in a Lambda function's event
	lambdaLogsData                                      // its data
	fieldCount
)

// kind is a set of JSON types.
type kind uint8

const (
	isString kind = 1 << iota
	isNumber
	isBool
	isNull
	isObject
	isArray
)

// kindOf is the type of the value that begins with the byte.
var kindOf = [256]kind{
	'"': isString, '{': isObject, '[': isArray, 't': isBool, 'f': isBool, 'n': isNull,
	'-': isNumber, '0': isNumber, '1': isNumber, '2': isNumber, '3': isNumber, '4': isNumber,
	'5': isNumber, '6': isNumber, '7': isNumber, '8': isNumber, '9': isNumber,
}

func (k kind) String() string {
	switch k {
	case isString:
		return "a string"
	case isNumber:
		return "a number"
	case isBool:
		return "a boolean"
	case isNull:
		return "null"
	case isObject:
		return "an object"
	case isArray:
		return "an array"
	default:
		return "no JSON value"
	}
}

// The types CloudTrail documents. Null is as good as absent everywhere.
const (
	textKinds   = isString | isNull
	timeKinds   = isString | isNumber | isNull // exports write seconds or milliseconds since 1970
	flagKinds   = isBool | isNull
	answerKinds = isString | isBool | isNull // documented as a string, seen as both
	objectKinds = isObject | isNull
	anyKinds    = isString | isNumber | isBool | isNull | isObject | isArray
)

// spec is what is known of a field.
type spec struct {
	name  string // its path, for defects
	kinds kind   // the types that are no defect
	last  field  // the last of its members among the fields, noField where none are
}

// specs are the fields' names and types (AWS CloudTrail User Guide, "CloudTrail
// record contents for management, data, and network activity events" and
// "CloudTrail userIdentity element").
var specs = [fieldCount]spec{
	noField:             {kinds: anyKinds},
	eventVersion:        {name: "eventVersion", kinds: textKinds},
	eventID:             {name: "eventID", kinds: textKinds},
	sharedEventID:       {name: "sharedEventID", kinds: textKinds},
	eventTime:           {name: "eventTime", kinds: timeKinds},
	eventSource:         {name: "eventSource", kinds: textKinds},
	eventName:           {name: "eventName", kinds: textKinds},
	eventType:           {name: "eventType", kinds: textKinds},
	eventCategory:       {name: "eventCategory", kinds: textKinds},
	awsRegion:           {name: "awsRegion", kinds: textKinds},
	sourceIPAddress:     {name: "sourceIPAddress", kinds: textKinds},
	userAgent:           {name: "userAgent", kinds: textKinds},
	errorCode:           {name: "errorCode", kinds: textKinds},
	errorMessage:        {name: "errorMessage", kinds: textKinds},
	readOnly:            {name: "readOnly", kinds: flagKinds},
	managementEvent:     {name: "managementEvent", kinds: flagKinds},
	recipientAccountID:  {name: "recipientAccountId", kinds: textKinds},
	requestParameters:   {name: "requestParameters", kinds: objectKinds},
	responseElements:    {name: "responseElements", kinds: objectKinds},
	additionalEventData: {name: "additionalEventData", kinds: objectKinds},
	serviceEventDetails: {name: "serviceEventDetails", kinds: objectKinds},
	addendum:            {name: "addendum", kinds: objectKinds, last: addendumEventID},
	addendumReason:      {name: "addendum.reason", kinds: textKinds},

	addendumUpdatedFields: {name: "addendum.updatedFields", kinds: textKinds},
	addendumRequestID:     {name: "addendum.originalRequestID", kinds: textKinds},
	addendumEventID:       {name: "addendum.originalEventID", kinds: textKinds},

	userIdentity:        {name: "userIdentity", kinds: objectKinds, last: issuerUserName},
	identityType:        {name: "userIdentity.type", kinds: textKinds},
	identityPrincipalID: {name: "userIdentity.principalId", kinds: textKinds},
	identityARN:         {name: "userIdentity.arn", kinds: textKinds},
	identityAccountID:   {name: "userIdentity.accountId", kinds: textKinds},
	identityAccessKeyID: {name: "userIdentity.accessKeyId", kinds: textKinds},
	identityUserName:    {name: "userIdentity.userName", kinds: textKinds},
	identityInvokedBy:   {name: "userIdentity.invokedBy", kinds: textKinds},
	sessionContext:      {name: "userIdentity.sessionContext", kinds: objectKinds, last: issuerUserName},
	assumedRoot:         {name: "userIdentity.sessionContext.assumedRoot", kinds: answerKinds},
	sessionAttributes:   {name: "userIdentity.sessionContext.attributes", kinds: objectKinds, last: mfaAuthenticated},
	creationDate:        {name: "userIdentity.sessionContext.attributes.creationDate", kinds: timeKinds},
	mfaAuthenticated:    {name: "userIdentity.sessionContext.attributes.mfaAuthenticated", kinds: answerKinds},
	sessionIssuer:       {name: "userIdentity.sessionContext.sessionIssuer", kinds: objectKinds, last: issuerUserName},
	issuerType:          {name: "userIdentity.sessionContext.sessionIssuer.type", kinds: textKinds},
	issuerARN:           {name: "userIdentity.sessionContext.sessionIssuer.arn", kinds: textKinds},
	issuerUserName:      {name: "userIdentity.sessionContext.sessionIssuer.userName", kinds: textKinds},
	listRecords:         {kinds: anyKinds},
	listEvents:          {kinds: anyKinds},
	listLogEvents:       {kinds: anyKinds},
	listFiltered:        {kinds: anyKinds},
	listOther:           {kinds: anyKinds},
	originalText:        {kinds: anyKinds},
	lookupRecord:        {kinds: anyKinds},
	logMessage:          {kinds: anyKinds},
	logMessageType:      {kinds: anyKinds},
	bridgeDetail:        {kinds: anyKinds},
	bridgeDetailType:    {kinds: anyKinds},
	lambdaLogs:          {kinds: anyKinds, last: lambdaLogsData},
	lambdaLogsData:      {kinds: anyKinds},
}

// member is the field that key names in an object, noField where it is none.
func member(object field, key []byte) field { //nolint:funlen // one case for each name that a log may begin with
	switch object {
	case noField:
		switch string(key) {
		case "eventVersion":
			return eventVersion
		case "eventID":
			return eventID
		case "sharedEventID":
			return sharedEventID
		case "eventTime":
			return eventTime
		case "eventSource":
			return eventSource
		case "eventName":
			return eventName
		case "eventType":
			return eventType
		case "eventCategory":
			return eventCategory
		case "awsRegion":
			return awsRegion
		case "sourceIPAddress":
			return sourceIPAddress
		case "userAgent":
			return userAgent
		case "errorCode":
			return errorCode
		case "errorMessage":
			return errorMessage
		case "readOnly":
			return readOnly
		case "managementEvent":
			return managementEvent
		case "recipientAccountId":
			return recipientAccountID
		case "requestParameters":
			return requestParameters
		case "responseElements":
			return responseElements
		case "additionalEventData":
			return additionalEventData
		case "serviceEventDetails":
			return serviceEventDetails
		case "addendum":
			return addendum
		case "userIdentity":
			return userIdentity
		case "Records":
			return listRecords
		case "Events":
			return listEvents
		case "logEvents":
			return listLogEvents
		case "events":
			return listFiltered
		case "CloudTrailEvent":
			return lookupRecord
		case "message":
			return logMessage
		case "messageType":
			return logMessageType
		case "detail":
			return bridgeDetail
		case "detail-type":
			return bridgeDetailType
		case "awslogs":
			return lambdaLogs
		default:
			return wrapperMember(key)
		}
	case listOther:
		return wrapperMember(key)
	case addendum:
		switch string(key) {
		case "reason":
			return addendumReason
		case "updatedFields":
			return addendumUpdatedFields
		case "originalRequestID":
			return addendumRequestID
		case "originalEventID":
			return addendumEventID
		}
	case lambdaLogs:
		if string(key) == "data" {
			return lambdaLogsData
		}
	case userIdentity:
		switch string(key) {
		case "type":
			return identityType
		case "principalId":
			return identityPrincipalID
		case "arn":
			return identityARN
		case "accountId":
			return identityAccountID
		case "accessKeyId":
			return identityAccessKeyID
		case "userName":
			return identityUserName
		case "invokedBy":
			return identityInvokedBy
		case "sessionContext":
			return sessionContext
		}
	case sessionContext:
		switch string(key) {
		case "assumedRoot":
			return assumedRoot
		case "attributes":
			return sessionAttributes
		case "sessionIssuer":
			return sessionIssuer
		}
	case sessionAttributes:
		switch string(key) {
		case "creationDate":
			return creationDate
		case "mfaAuthenticated":
			return mfaAuthenticated
		}
	case sessionIssuer:
		switch string(key) {
		case "type":
			return issuerType
		case "arn":
			return issuerARN
		case "userName":
			return issuerUserName
		}
	default: // no object has fields but these
	}
	return noField
}

// wrapperMember is what key names in an object that exports wrap records in.
func wrapperMember(key []byte) field {
	switch string(key) {
	case "hits", // Elasticsearch and OpenSearch, hits.hits
		"data", "result", // Datadog; Loki, data.result
		"results",         // GetQueryResults of CloudWatch Logs Insights; Splunk
		"QueryResultRows", // GetQueryResults of CloudTrail Lake
		"streams",         // Loki
		"Messages",        // ReceiveMessage of SQS
		"records",         // Firehose
		"messages", "logs", "rows", "items":
		return listOther
	case "eventJson", "eventjson", // CloudTrail Lake, and the same in Athena
		"_raw",     // Splunk, Sumo Logic
		"@message": // CloudWatch Logs Insights
		return originalText
	default:
		return noField
	}
}

// span is where a value is in the scanned bytes.
type span struct {
	start, end int32
	flags      textFlags // of a string
}

func (p span) of(b []byte) []byte { return b[p.start:p.end] }

// scanner walks over one record: it checks that it is JSON and notes where the
// fields are. The fast path and Decode both rest on it.
type scanner struct {
	spans  [fieldCount]span // of the fields that are seen
	seen   uint64
	levels []uint64  // skipValue's
	flags  textFlags // of all strings in the record together

	// odd is set where the record may have a defect. It may be set without one
	// (a field of the wrong type that a repeated key replaces).
	odd     bool
	tooDeep bool

	// list is the list that scan stopped at, listAt where its bracket is, and
	// inside how many objects.
	list   field
	listAt int
	nested int
}

// maxNested is how many objects around a list scan looks into.
const maxNested = 3

// stoppedAtList is what scan returns besides what the skip functions do.
const stoppedAtList = -1 << 62

// scan walks over the object at the start of b. Where wrapped, it stops at the
// value of Records, Events, logEvents, events or another list's name if that is
// an array and nothing before it is a record's: such a list can be longer than
// fits in memory.
func (s *scanner) scan(b []byte, wrapped bool) int {
	s.reset()
	end := s.object(b, 0, 0, noField, wrapped)
	if end >= 0 && !s.odd {
		s.odd = s.flags&notUTF8 != 0 || !s.whole(b)
	}
	return end
}

func (s *scanner) reset() {
	s.seen = 0
	s.flags, s.odd, s.tooDeep, s.list = 0, false, false, noField
}

// object walks over the object whose brace is at i, inside depth others.
func (s *scanner) object(b []byte, i, depth int, object field, wrapped bool) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i = s.pair(b, i, depth, object, wrapped); i < 0 {
			return i
		}
		if i < len(b) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if i >= len(b) {
			return incomplete
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return i + 1
		default:
			return malformed(i)
		}
	}
}

// member walks over one more member of a wrapper, from the comma before it.
func (s *scanner) member(b []byte) int {
	s.reset()
	if b[0] != ',' {
		return malformed(0)
	}
	return s.pair(b, skipSpace(b, 1), 0, noField, true)
}

// pair walks over a key and its value, in an object inside depth others.
func (s *scanner) pair(b []byte, i, depth int, object field, wrapped bool) int {
	if i >= len(b) {
		return incomplete
	}
	if b[i] != '"' {
		return malformed(i)
	}
	start := i + 1
	i, flags := skipString(b, start)
	s.flags |= flags
	if i < 0 {
		return i
	}
	var f field
	if flags == 0 {
		f = member(object, b[start:i-1])
	} else {
		f = member(object, appendText(nil, b[start:i-1]))
	}
	if i = skipColon(b, i); i < 0 {
		return i
	}
	if i < len(b) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if i >= len(b) {
		return incomplete
	}

	start = i
	has := kindOf[b[i]]
	known := &specs[f]
	if known.last != noField {
		s.seen &^= uint64(2)<<known.last - uint64(2)<<f // its members
	}
	switch {
	case has == isString:
		i, flags = skipString(b, i+1)
		s.flags |= flags
	case has == isObject && known.last != noField:
		i = s.object(b, i, depth+1, f, wrapped)
	case has == isArray && wrapped && listRecords <= f && f <= listOther && !s.carriesRecord():
		s.list, s.listAt, s.nested = f, i, depth
		return stoppedAtList
	case has == isObject && wrapped && f == listOther && depth < maxNested && !s.carriesRecord():
		i = s.object(b, i, depth+1, f, wrapped)
	default:
		i = s.skipValue(b, i, depth+1)
	}
	if i < 0 {
		return i
	}
	if f != noField {
		s.seen |= 1 << f
		s.spans[f] = span{start: int32(start), end: int32(i), flags: flags} //nolint:gosec // Decode and Reader bound the length
		if has&known.kinds == 0 {
			s.odd = true
		}
	}
	return i
}

// isRecord reports whether the scanned object is a record, and not what has some
// of a record's members beside it: messages of AWS services to others, whose
// eventSource begins with "aws:", and columns beside the record as text.
func (s *scanner) isRecord(b []byte) bool {
	return s.carriesRecord() && !s.isMessage(b) && !s.hasStruct(b) &&
		(s.seen&(1<<originalText) == 0 || !holdsRecord(s.spans[originalText].of(b)))
}

// isMessage reports whether the object is a message of an AWS service, such as
// SQS, to a function.
func (s *scanner) isMessage(b []byte) bool {
	return bytes.HasPrefix(s.plain(b, eventSource), []byte("aws:"))
}

// hasStruct reports whether the userIdentity is a column of a query, which is
// text such as {type=Root, principalId=…} and no JSON.
func (s *scanner) hasStruct(b []byte) bool {
	text := s.plain(b, userIdentity)
	return len(text) > 1 && text[0] == '{' && bytes.IndexByte(text, '=') > 0
}

// carriesRecord reports whether the scanned object has what only a record has.
func (s *scanner) carriesRecord() bool {
	return s.seen&(1<<eventName|1<<eventSource|1<<userIdentity|1<<eventVersion) != 0
}

// is shows the type of a field's value, 0 where it is absent.
func (s *scanner) is(b []byte, f field) kind {
	if s.seen&(1<<f) == 0 {
		return 0
	}
	return kindOf[b[s.spans[f].start]]
}

// plain is the text of a string without escapes, nil for anything else.
func (s *scanner) plain(b []byte, f field) []byte {
	p := s.spans[f]
	if s.seen&(1<<f) == 0 || b[p.start] != '"' || p.flags != 0 {
		return nil
	}
	return b[p.start+1 : p.end-1]
}

// header is what a Filter asks for, of a record that is not odd.
func (s *scanner) header(b []byte) Header {
	return Header{EventSource: s.plain(b, eventSource), EventName: s.plain(b, eventName), IdentityType: s.plain(b, identityType),
		IssuerType: s.plain(b, issuerType)}
}

// whole reports whether the record surely has no defect besides wrong types. It
// may report false for one that has none, which Decode then finds out.
func (s *scanner) whole(b []byte) bool {
	if len(s.plain(b, eventID)) == 0 || len(s.plain(b, eventSource)) == 0 || len(s.plain(b, eventName)) == 0 ||
		!isTime(s.plain(b, eventTime)) || !isPlausible(s.plain(b, eventTime)) {
		return false
	}
	if s.is(b, userIdentity) != isObject || emptyObject(s.spans[userIdentity].of(b)) {
		return false
	}
	if s.is(b, identityType) == isString && s.spans[identityType].flags != 0 {
		return false
	}
	if needsARN(string(s.plain(b, identityType))) && (s.is(b, identityARN) != isString ||
		s.spans[identityARN].end-s.spans[identityARN].start == 2) {
		return false
	}
	if s.seen&(1<<sessionContext) == 0 {
		return true
	}
	if s.is(b, creationDate) == isString && (!isTime(s.plain(b, creationDate)) || !isPlausible(s.plain(b, creationDate))) ||
		s.is(b, creationDate) == isNumber {
		return false
	}
	return s.plainAnswer(b, mfaAuthenticated) && s.plainAnswer(b, assumedRoot)
}

// plainAnswer reports whether the field is absent, or says true or false.
func (s *scanner) plainAnswer(b []byte, f field) bool {
	if s.is(b, f) != isString {
		return true
	}
	text := s.plain(b, f)
	return string(text) == "true" || string(text) == "false"
}

func emptyObject(b []byte) bool { return b[skipSpace(b, 1)] == '}' }

// isPlausible reports whether a time that isTime is of a year parseTime takes.
func isPlausible(b []byte) bool { return b[0] == '2' && b[1] == '0' && (b[2] > '0' || b[3] >= '6') }

// isTime reports whether b is an RFC 3339 time in the one form CloudTrail
// writes, 2006-01-02T15:04:05Z.
func isTime(b []byte) bool {
	const days = "\x00\x1f\x1c\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f" // in each month, from index 1
	if len(b) != len("0000-00-00T00:00:00Z") || !timeForm[0].fits(b) || !timeForm[1].fits(b[8:]) || !timeForm[2].fits(b[12:]) {
		return false
	}
	two := func(i int) int { return int(b[i]-'0')*10 + int(b[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	if month >= len(days) || two(11) > 23 || two(14) > 59 || two(17) > 59 {
		return false
	}
	last := int(days[month])
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		last++
	}
	return 1 <= day && day <= last
}

// form is eight bytes of which some are digits.
type form struct {
	text  uint64
	limit uint64 // what takes the greatest difference from text that fits to 0x7f
}

// timeForm is 0000-00-00T00:00:00Z; the last two parts of it overlap.
var timeForm = [3]form{formOf("0000-00-"), formOf("00T00:00"), formOf("0:00:00Z")}

// formOf makes a form in which any digit can stand for a 0.
func formOf(text string) form {
	var limit [8]byte
	for i := range limit {
		limit[i] = 0x7f
		if text[i] == '0' {
			limit[i] -= 9
		}
	}
	return form{binary.LittleEndian.Uint64([]byte(text)), binary.LittleEndian.Uint64(limit[:])}
}

// fits reports whether b begins with the form.
func (f form) fits(b []byte) bool {
	diff := binary.LittleEndian.Uint64(b) ^ f.text
	return diff&(0xf0*eachByte) == 0 && (diff+f.limit)&topBits == 0
}

// needsARN reports whether an identity of this type has an ARN. Services,
// other accounts' principals, web and SAML users and identities without a type
// have none (AWS CloudTrail User Guide, "CloudTrail userIdentity element").
func needsARN(identityType string) bool {
	switch identityType {
	case "Root", "IAMUser", "AssumedRole", "FederatedUser", "Role":
		return true
	default:
		return false
	}
}
