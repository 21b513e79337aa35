package cloudtrail

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"rootguard/internal/gunzip"
)

// MaxRecord is the most bytes of JSON a Reader takes for one record, many times
// what CloudTrail writes.
const MaxRecord = 16 << 20

const (
	firstBuffer = 64 << 10
	keptBuffer  = 1 << 20 // a larger one is not kept for the next log
	maxBuffer   = MaxRecord + firstBuffer

	// maxUnzipped is the most bytes of JSON in an awslogs.data. It bounds the
	// time that a zip bomb takes, which no end of the outer log can cut short.
	maxUnzipped = 64 << 20
	// All that is packed in one log may be maxUnpacked bytes and maxRatio times
	// the log itself.
	maxUnpacked = 256 << 20
	maxRatio    = 100

	maxWrappers = 6  // strings and base64 inside one another
	maxLevels   = 12 // objects and arrays around a record, in one of these
	maxOpen     = 24 // lists that are open at once
)

// ErrNoRecord is why a Reader reports a JSON object that is no CloudTrail record.
var ErrNoRecord = errors.New("not a CloudTrail record: it has no eventVersion, eventSource, eventName or userIdentity")

// Entry is what a Reader came to: a record that its filter let through, or
// something wrong, or both.
type Entry struct {
	// Index is the record's place in the log, from 0 and through all its lines
	// and lists. It is -1 where the log itself is what Err is about.
	Index int
	// Record is nil where the record is lost, or where the filter held it back
	// and only its defects are reported. It shares no memory with the Reader.
	Record  *Record
	Defects []Defect
	// EventID is the record's, where it could be read.
	EventID string
	// Err says what is wrong beyond Defects; Lost, whether that cost a record
	// or the rest of the log.
	Err  error
	Lost bool
	// Note is set where nothing is wrong: Err then says once for the log that it
	// has something else than records in it, and what.
	Note bool
}

// Stats count what a Reader came to so far.
// Records = Passed + Held + Malformed.
type Stats struct {
	Bytes     int64 // of JSON, decompressed, that in an awslogs.data too
	Records   int64
	Passed    int64 // by the filter
	Held      int64 // back by the filter
	Malformed int64 // records that could not be read
	Other     int64 // what is known to be no record: control messages, EventBridge events that are not CloudTrail's, other services' logs

	// Of Records, those of other categories than Management. The last three are no
	// calls, and any filter holds them back.
	Data            int64
	NetworkActivity int64
	Insights        int64
	Aggregated      int64 // and of CloudTrail Lake, what is no event of CloudTrail
}

// Add adds the counts of another log.
func (s *Stats) Add(more Stats) { s.add(more, Stats{}) }

// add adds what now has more than before.
func (s *Stats) add(now, before Stats) {
	s.Bytes += now.Bytes - before.Bytes
	s.Records += now.Records - before.Records
	s.Passed += now.Passed - before.Passed
	s.Held += now.Held - before.Held
	s.Malformed += now.Malformed - before.Malformed
	s.Other += now.Other - before.Other
	s.Data += now.Data - before.Data
	s.NetworkActivity += now.NetworkActivity - before.NetworkActivity
	s.Insights += now.Insights - before.Insights
	s.Aggregated += now.Aggregated - before.Aggregated
}

// Reader reads the records of a CloudTrail log from a stream, in whichever of
// these shapes they come, compressed with gzip (any number of members), zstd or
// bzip2 or not, in UTF-8 or UTF-16:
//
//   - {"Records":[…]}, a log file; Records need not be the first member
//   - a record, or JSON lines or an array of records
//   - an EventBridge event, whose detail is the record
//   - {"Events":[{"CloudTrailEvent":"…"}]}, the output of LookupEvents
//   - {"logEvents":[{"message":"…"}]}, a CloudWatch Logs subscription
//   - {"awslogs":{"data":"…"}}, the same in base64 and gzip, as a Lambda function
//     gets it
//   - {"events":[{"message":"…"}]}, the output of FilterLogEvents or GetLogEvents
//   - JSON lines, or an array, of any of these, also after a time stamp
//   - any other JSON that has whole records inside it, as objects, as JSON in a
//     string or in base64 (and gzip), up to maxWrappers deep: see search
//   - CSV with the records in a column, and Athena's columns: see csvReader and
//     fromColumns
//
// What is known to be something else becomes an Entry with a Note.
//
// Records that the filter holds back are checked to be JSON and skipped without
// an allocation. Memory depends on the longest record, not on the log's length.
//
// A record that cannot be read becomes an Entry with its index and the reason,
// and reading goes on at the next one. A list that a log names twice is read
// twice. An object is a record, not a list's wrapper, once a member of a record
// came before the list.
type Reader struct {
	filter Filter
	stats  Stats

	buffered *bufio.Reader
	unzip    *gunzip.Reader
	src      io.Reader // one of the two
	srcErr   error     // what src ended with

	buf      []byte
	pos, end int   // buf[pos:end] is to be read
	offset   int64 // in the stream, of buf[0]

	open     []frame // what is open around pos, the outermost first
	broken   int64   // the offset up to which JSON was found broken
	resynced bool    // stray bytes here are the rest of something broken, reported already

	record  scanner // of the record at pos
	inner   scanner // of a record inside another value
	scratch []byte  // the text of a record that was a JSON string, or of awslogs.data

	pieces []piece  // found inside the value before pos, to be read next
	text   []byte   // of the piece that is read
	form   *NotRead // what the value before pos is, where that is known
	passed bool     // something was skipped in a list

	unpacked *Reader // of a record in a string, an awslogs.data and the like; nil until there is one
	inData   bool    // unpacked is not at its end
	dataName string  // what it was found in
	depth    int     // of this Reader inside others
	limit    int64   // where not 0, the most bytes to read
	nested   int64   // bytes that came out of unpacked, all in all

	archive error    // ErrTar or ErrZip
	noted   []string // forms that were reported
	span    timeSpan
}

// place is what a frame is.
type place uint8

const (
	atTop       place = iota // values one after the other
	inArray                  // an array of records or of what wraps them
	inList                   // the same in an object, where it may have anything in it
	inWrapper                // an object with a list in it, after the list
	inRecords                // the elements of Records
	inEvents                 // the elements of Events
	inLogEvents              // the elements of logEvents
)

// frame is an open array or object.
type frame struct {
	place   place
	next    expect
	control bool // of a wrapper: its log events are control messages
}

// expect is what may come next in a frame.
type expect uint8

const (
	valueOrEnd expect = iota
	value
	commaOrEnd
)

// NewReader returns a Reader of src. A nil filter lets all records through.
func NewReader(src io.Reader, filter Filter) *Reader {
	r := &Reader{filter: filter, buffered: bufio.NewReaderSize(nil, 64<<10)}
	r.Reset(src)
	return r
}

// Reset makes the Reader read src from the start, and keeps its buffers and
// filter.
func (r *Reader) Reset(src io.Reader) {
	r.buffered.Reset(src)
	r.src, r.srcErr = nil, nil
	if len(r.buf) == 0 || len(r.buf) > keptBuffer {
		r.buf, r.scratch, r.text = make([]byte, firstBuffer), nil, nil
	}
	r.pos, r.end, r.offset = 0, 0, 0
	r.stats = Stats{}
	r.open = append(r.open[:0], frame{place: atTop})
	r.broken, r.resynced = 0, false
	r.inData, r.nested = false, 0
	r.pieces, r.noted, r.form, r.passed, r.archive = nil, nil, nil, false, nil
	r.span = timeSpan{latest: r.span.latest}
	if r.unpacked != nil {
		r.unpacked.Reset(nil) // so that it keeps no large buffer either
	}
}

// Stats returns the counts so far.
func (r *Reader) Stats() Stats { return r.stats }

// Next returns the next entry. Its only error is io.EOF, after the last.
func (r *Reader) Next() (Entry, error) {
	for len(r.open) > 0 {
		if entry, found := r.step(); found {
			return entry, nil
		}
	}
	return Entry{}, io.EOF
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// more reads more of the log behind what is to be read. It doubles that, where
// it can, so that checking a value again from its start is worth it. It
// returns false where the log has ended or the value is too long.
func (r *Reader) more() bool {
	pending := r.end - r.pos
	if r.srcErr != nil || pending >= MaxRecord {
		return false
	}
	if r.pos > 0 {
		copy(r.buf, r.buf[r.pos:r.end])
		r.offset += int64(r.pos)
		r.pos, r.end = 0, pending
	}
	if r.end > len(r.buf)/2 && len(r.buf) < maxBuffer {
		grown := make([]byte, min(2*len(r.buf), maxBuffer))
		copy(grown, r.buf[:r.end])
		r.buf = grown
	}
	enough := 2 * pending
	if r.src == r.unzip {
		enough = len(r.buf) // a gzip reader returns little at a time, but never waits
	}
	for idle := 0; r.srcErr == nil && r.end < len(r.buf) && (r.end <= enough || r.end == pending); {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.stats.Bytes += int64(n)
		r.srcErr = err
		if r.limit > 0 && r.stats.Bytes > r.limit {
			r.srcErr = fmt.Errorf("it has more than %d MiB", r.limit>>20)
		}
		if idle++; n > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			r.srcErr = io.ErrNoProgress
		}
	}
	return r.end > pending
}

// peek skips white space and returns the next byte; false at the log's end.
func (r *Reader) peek() (byte, bool) {
	for {
		if r.pos = skipSpace(r.buf[:r.end], r.pos); r.pos < r.end {
			return r.buf[r.pos], true
		}
		if !r.more() {
			return 0, false
		}
	}
}

// at is the offset of the next byte in the decompressed log.
func (r *Reader) at() int64 { return r.offset + int64(r.pos) }

// step reads the next thing in the innermost frame.
func (r *Reader) step() (Entry, bool) {
	switch {
	case r.inData:
		return r.data()
	case len(r.pieces) > 0:
		return r.piece()
	case r.src == nil:
		if r.start(); r.archive != nil {
			r.open = r.open[:0]
			return Entry{Index: -1, Err: r.archive, Lost: true}, true
		}
	}
	c, ok := r.peek()
	if !ok {
		return r.finish()
	}
	f := &r.open[len(r.open)-1]
	switch {
	case f.place == inWrapper:
		return r.member(c)
	case f.place == atTop:
		if c == ',' || c == ']' || c == '}' {
			return r.stray(f)
		}
		if kindOf[c]&(isObject|isArray|isString) == 0 && r.skipStamp() {
			c = '{'
		}
	case c == ']':
		r.pos++
		r.open = r.open[:len(r.open)-1]
		if f.next == value && !r.resynced {
			return Entry{Index: -1, Err: fmt.Errorf("invalid JSON: a comma before the ] at byte %d", r.at()-1)}, true
		}
		return Entry{}, false
	case f.next == commaOrEnd && c == ',':
		r.pos++
		f.next = value
		return Entry{}, false
	case f.next == commaOrEnd && c == '{':
		f.next = value
		return Entry{Index: -1, Err: fmt.Errorf("invalid JSON: no comma before the { at byte %d", r.at())}, true
	case f.next == commaOrEnd || c == ',' || c == '}':
		return r.stray(f)
	}
	f.next = commaOrEnd
	switch {
	case c == '{':
		return r.object(f)
	case c == '[' && f.place == atTop:
		r.pos++
		r.open = append(r.open, frame{place: inArray})
		return Entry{}, false
	default:
		return r.noObject(f, c)
	}
}

// object reads an object: a record, or what holds one or many.
func (r *Reader) object(f *frame) (Entry, bool) {
	s := &r.record
	wrapped := (f.place == atTop || f.place == inArray || f.place == inList) && len(r.open) < maxOpen
	n := s.scan(r.buf[r.pos:r.end], wrapped)
	for n == incomplete {
		if !r.more() {
			return r.cutShort(f)
		}
		n = s.scan(r.buf[r.pos:r.end], wrapped)
	}
	b := r.buf[r.pos:r.end]
	if n == stoppedAtList {
		r.enter(b)
		return Entry{}, false
	}
	if n < 0 {
		entry := r.malformed(s.fault(b, n))
		r.resync(f, 0, r.at()+int64(malformedAt(n)))
		return entry, true
	}
	b = b[:n]
	r.pos += n
	switch {
	case s.isRecord(b):
		return r.deliver(s, b)
	case f.place == inLogEvents && f.control:
		r.stats.Other++
		return Entry{}, false
	case f.place == inLogEvents && s.is(b, logMessage) == isString:
		return r.quoted(s, b, logMessage)
	case s.is(b, lookupRecord) == isString:
		return r.quoted(s, b, lookupRecord)
	case s.is(b, bridgeDetailType) == isString:
		return r.bridged(s, b)
	case s.is(b, logMessageType) == isString:
		r.stats.Other++
		return Entry{}, false
	case wrapped && s.is(b, lambdaLogs) == isObject:
		return r.unpack(s, b)
	default:
		return r.unwrap(b)
	}
}

// unpack begins to read awslogs.data in the scanned object b (AWS Lambda
// Developer Guide, "Using Lambda with CloudWatch Logs").
func (r *Reader) unpack(s *scanner, b []byte) (Entry, bool) {
	if s.is(b, lambdaLogsData) != isString {
		return r.malformed(errors.New("awslogs.data is no string")), true
	}
	quoted := s.spans[lambdaLogsData].of(b)
	r.scratch = appendText(r.scratch[:0], quoted[1:len(quoted)-1])
	return r.readInside("awslogs.data", base64.NewDecoder(base64.StdEncoding, bytes.NewReader(r.scratch)))
}

// readInside begins to read a log that is inside this one.
func (r *Reader) readInside(name string, src io.Reader) (Entry, bool) {
	if r.depth == maxWrappers {
		return r.malformed(fmt.Errorf("%s: wrapped more than %d times", name, maxWrappers)), true
	}
	if r.nested > maxUnpacked+maxRatio*(r.stats.Bytes-r.nested) {
		return r.malformed(fmt.Errorf("%s: what is packed in this log comes to more than %d times its size", name, maxRatio)), true
	}
	if r.unpacked == nil {
		r.unpacked = NewReader(nil, r.filter)
		r.unpacked.limit, r.unpacked.depth = maxUnzipped, r.depth+1
	}
	r.unpacked.Reset(src)
	r.unpacked.span.latest = r.span.latest
	r.inData, r.dataName = true, name
	r.resynced = r.resynced && len(r.open) == 1
	return Entry{}, false
}

// data reads the next entry in a log inside this one. What is lost of that log
// itself counts as one record.
func (r *Reader) data() (Entry, bool) {
	in := r.unpacked
	before := in.stats
	entry, err := in.Next()
	r.stats.add(in.stats, before)
	r.nested += in.stats.Bytes - before.Bytes
	switch {
	case err != nil: // io.EOF, the only one there is
		r.inData = false
		r.span.join(&in.span)
		return Entry{}, false
	case entry.Note:
		return r.note(entry.Err)
	case entry.Index >= 0:
		entry.Index += int(r.stats.Records - in.stats.Records)
		return entry, true
	}
	entry.Err = fmt.Errorf("%s: %w", r.dataName, entry.Err)
	if entry.Lost {
		entry = r.malformed(entry.Err)
	}
	return entry, true
}

// enter opens the list in b that the scan of a wrapper stopped at.
func (r *Reader) enter(b []byte) {
	s := &r.record
	var list frame
	switch s.list {
	case listEvents:
		list.place = inEvents
	case listLogEvents, listFiltered:
		list.place = inLogEvents
		list.control = s.is(b, logMessageType) == isString && string(unquote(s.spans[logMessageType].of(b))) == "CONTROL_MESSAGE"
	case listOther:
		list.place = inList
	default:
		list.place = inRecords
	}
	r.pos += s.listAt + 1
	for range s.nested + 1 {
		r.open = append(r.open, frame{place: inWrapper})
	}
	r.open = append(r.open, list)
}

// member reads on in a wrapper, after a list in it.
func (r *Reader) member(c byte) (Entry, bool) {
	if c == '}' {
		r.pos++
		r.open = r.open[:len(r.open)-1]
		return Entry{}, false
	}
	s := &r.record
	n := s.member(r.buf[r.pos:r.end])
	for n == incomplete {
		if r.end-r.pos >= MaxRecord {
			r.open = r.open[:len(r.open)-1]
			r.resync(&r.open[len(r.open)-1], 1, r.offset+int64(r.end))
			return Entry{Index: -1, Err: fmt.Errorf("what follows a list is longer than %d MiB", MaxRecord>>20), Lost: true}, true
		}
		if !r.more() {
			return r.finish()
		}
		n = s.member(r.buf[r.pos:r.end])
	}
	b := r.buf[r.pos:r.end]
	if n == stoppedAtList {
		r.open = r.open[:len(r.open)-1]
		r.enter(b)
		return Entry{}, false
	}
	if n < 0 {
		entry := Entry{Index: -1, Err: s.fault(b, n), Lost: true}
		r.open = r.open[:len(r.open)-1]
		r.resync(&r.open[len(r.open)-1], 1, r.at()+int64(malformedAt(n)))
		return entry, true
	}
	r.pos += n
	if s.carriesRecord() {
		return Entry{Index: -1, Err: errors.New("an object is a list's wrapper and a record at once; the record is ignored"), Lost: true}, true
	}
	return Entry{}, false
}

// noObject reads a value that is no object where a record should be. A record
// given as a JSON string is still read.
func (r *Reader) noObject(f *frame, c byte) (Entry, bool) {
	s := &r.record
	s.reset()
	n := s.skipValue(r.buf[r.pos:r.end], 0, 0)
	for n == incomplete || r.pos+n == r.end { // the byte after it counts too
		if !r.more() {
			break
		}
		n = s.skipValue(r.buf[r.pos:r.end], 0, 0)
	}
	if n == incomplete {
		return r.cutShort(f)
	}
	if n >= 0 && r.pos+n < r.end && bytes.IndexByte([]byte(" \t\r\n,]"), r.buf[r.pos+n]) < 0 {
		n = malformed(n)
	}
	if n < 0 {
		err := s.fault(r.buf[r.pos:r.end], n)
		reported := r.restOfBroken()
		r.resync(f, 0, r.at()+int64(malformedAt(n)))
		if reported {
			return Entry{}, false
		}
		return r.malformed(err), true
	}
	b := r.buf[r.pos : r.pos+n]
	r.pos += n
	switch {
	case r.restOfBroken():
		return Entry{}, false
	case f.place == inList || f.place == inArray && c == '[':
		return r.unwrap(b)
	case c != '"':
		return r.malformed(fmt.Errorf("record is %v, not an object", kindOf[c])), true
	}
	s.spans[noField] = span{end: int32(n)} //nolint:gosec // n is at most MaxRecord
	return r.quoted(s, b, noField)
}

// quoted reads a record from a JSON string, a member of the scanned object b or,
// as noField, b itself.
func (r *Reader) quoted(s *scanner, b []byte, f field) (Entry, bool) {
	quoted := s.spans[f].of(b)
	r.scratch = appendText(r.scratch[:0], quoted[1:len(quoted)-1])
	inner := bytes.TrimSpace(r.scratch)
	if len(inner) == 0 || inner[0] != '{' {
		return r.malformed(errors.New("record is a string, not an object")), true
	}
	in := &r.inner
	n := in.scan(inner, false)
	switch {
	case n == incomplete:
		return r.malformed(errors.New("record in a string ends early")), true
	case n < 0:
		return r.malformed(fmt.Errorf("record in a string: %w", in.fault(inner, n))), true
	case n != len(inner):
		return r.malformed(errors.New("record in a string has more data after it")), true
	}
	if s.flags&notUTF8 != 0 {
		in.flags |= notUTF8
		in.odd = true
	}
	switch {
	case in.isRecord(inner):
		return r.deliver(in, inner)
	case in.is(inner, bridgeDetailType) == isString:
		return r.bridged(in, inner)
	default:
		return r.unwrap(inner)
	}
}

// bridged reads the record from the EventBridge event b. Only events that end
// in "via CloudTrail" must carry one (Amazon EventBridge User Guide, "AWS
// service events delivered via AWS CloudTrail").
func (r *Reader) bridged(s *scanner, b []byte) (Entry, bool) {
	detail := s.spans[bridgeDetail].of(b)
	must := bytes.HasSuffix(unquote(s.spans[bridgeDetailType].of(b)), []byte(" via CloudTrail"))
	nonUTF8 := s.flags & notUTF8
	in := &r.inner
	if s.is(b, bridgeDetail) == isObject {
		in.scan(detail, false)
		in.flags |= nonUTF8
		in.odd = in.odd || nonUTF8 != 0
		if must || in.carriesRecord() {
			return r.deliver(in, detail)
		}
	}
	if must {
		return r.malformed(errors.New("detail of the EventBridge event is missing or not an object")), true
	}
	r.stats.Other++
	return Entry{}, false
}

// deliver passes on the record b, which s has scanned, or holds it back.
func (r *Reader) deliver(s *scanner, b []byte) (Entry, bool) {
	switch {
	case s.carriesRecord():
	case r.restOfBroken():
		return Entry{}, false
	default:
		return r.malformed(ErrNoRecord), true
	}
	r.resynced = r.resynced && len(r.open) == 1
	index := int(r.stats.Records)
	r.stats.Records++
	isCall := r.categorize(s, b)
	r.span.of(s.plain(b, recipientAccountID), s.plain(b, awsRegion))
	if !s.odd {
		r.span.track(s.plain(b, eventTime))
		if r.filter != nil && (!isCall || !r.filter(s.header(b))) {
			r.stats.Held++
			return Entry{}, false
		}
	}
	rec, defects := s.record(bytes.Clone(b))
	entry := Entry{Index: index, Defects: defects, EventID: rec.EventID}
	if s.odd {
		r.span.trackTime(rec.EventTime)
	}
	if s.odd && r.filter != nil && (!isCall || !r.filter(rec.header())) {
		r.stats.Held++
		return entry, len(defects) > 0
	}
	r.stats.Passed++
	entry.Record = &rec
	return entry, true
}

// categorize counts the record by its category, and reports whether it is of a
// call.
func (r *Reader) categorize(s *scanner, b []byte) bool {
	switch c := s.category(b); c {
	case Management:
		return true
	case Data:
		r.stats.Data++
		return true
	case NetworkActivity:
		r.stats.NetworkActivity++
	case Insight:
		r.stats.Insights++
	default:
		r.stats.Aggregated++
	}
	return false
}

func (r *Record) header() Header {
	return Header{EventSource: []byte(r.EventSource), EventName: []byte(r.EventName), IdentityType: []byte(r.UserIdentity.Type),
		IssuerType: []byte(r.UserIdentity.Session.IssuerType)}
}

// restOfBroken reports whether what is no record is part of a broken one, which
// was reported already: in a list, up to the next record. At the top there is no
// reporting.
func (r *Reader) restOfBroken() bool { return r.resynced && len(r.open) > 1 }

// malformed counts a record that cannot be read.
func (r *Reader) malformed(err error) Entry {
	index := int(r.stats.Records)
	r.stats.Records++
	r.stats.Malformed++
	return Entry{Index: index, Err: err, Lost: true}
}

// cutShort reports a record that is too long, or that the log ends in.
func (r *Reader) cutShort(f *frame) (Entry, bool) {
	if r.end-r.pos >= MaxRecord {
		entry := r.malformed(fmt.Errorf("record is longer than %d MiB", MaxRecord>>20))
		r.resync(f, 0, r.offset+int64(r.end))
		return entry, true
	}
	entry := r.malformed(errors.New("truncated: the log ends inside this record"))
	if !errors.Is(r.srcErr, io.EOF) {
		entry.Err = fmt.Errorf("truncated inside this record: %w", r.srcErr)
	} else if f.place == atTop {
		r.resync(f, 0, r.offset+int64(r.end)) // of lines, one may be cut that is not the last
		return entry, true
	}
	r.open = r.open[:0]
	return entry, true
}

// finish reports a log that did not end well.
func (r *Reader) finish() (Entry, bool) {
	inside := len(r.open) > 1
	r.open = r.open[:0]
	if of, ok := errors.AsType[*NotRead](r.srcErr); ok {
		return Entry{Index: -1, Err: of, Note: true}, true
	}
	switch {
	case !errors.Is(r.srcErr, io.EOF) && r.stats.Records == 0:
		return Entry{Index: -1, Err: fmt.Errorf("no record can be read: %w", r.srcErr), Lost: true}, true
	case !errors.Is(r.srcErr, io.EOF):
		return Entry{Index: -1, Err: fmt.Errorf("truncated after %d records: %w", r.stats.Records, r.srcErr), Lost: true}, true
	case inside && !r.resynced:
		return Entry{Index: -1, Err: fmt.Errorf("truncated: the log ends inside a list, after %d records", r.stats.Records), Lost: true}, true
	case r.stats.Bytes == 0:
		return Entry{Index: -1, Err: errors.New("the log is empty"), Lost: true}, true
	case r.passed && r.stats.Records+r.stats.Other == 0 && r.form != nil:
		return r.note(r.form)
	case r.passed && r.stats.Records+r.stats.Other == 0:
		return r.malformed(ErrNoRecord), true
	default:
		return Entry{}, false
	}
}
