package cloudtrail

import (
	"bytes"
	"slices"
	"time"
)

// stamp is a time as CloudTrail writes it, 2006-01-02T15:04:05Z. Stamps compare
// as their times do.
type stamp [len("2006-01-02T15:04:05Z")]byte

func stampOf(t time.Time) (s stamp) {
	copy(s[:], t.UTC().Format(time.RFC3339))
	return s
}

func (s *stamp) time() time.Time {
	t, _ := time.Parse(time.RFC3339, string(s[:])) // zero where the stamp is
	return t
}

// timeSpan follows from when to when the records of a log are.
type timeSpan struct {
	first, last stamp
	some        bool
	latest      stamp // where set, no record can be later
	future      int64 // records that are all the same
	ahead       stamp // the first of them

	account  accountID  // of the record before
	region   regionName // the same
	accounts map[accountID]regionSet
	regions  []regionName // by their place in a regionSet
}

// accountID is the ID of an account, 12 digits.
type accountID [12]byte

// maxAccounts is how many accounts a log is known to be of, more than there are
// in an organization.
const maxAccounts = 100_000

// regionName is the name of a Region, filled up with zeros: the longest has 14 bytes.
type regionName [16]byte

// regionSet has a bit for each Region of a log. What is more than maxRegions is left out.
type regionSet uint64

const maxRegions = 64

// of takes in a record's recipientAccountId and awsRegion. Most are those of the record
// before.
func (s *timeSpan) of(account, region []byte) {
	if len(account) != len(s.account) {
		return
	}
	var in regionName
	if isRegion(region) {
		copy(in[:], region)
	}
	if accountID(account) == s.account && in == s.region {
		return
	}
	s.account, s.region = accountID(account), in
	s.add(s.account, s.set(in))
}

// isRegion reports whether a text has the form of a Region's name, such as us-east-1.
func isRegion(text []byte) bool {
	if n := len(text); n > len(regionName{}) || n < 4 || text[n-1] < '0' || text[n-1] > '9' || text[n-2] != '-' {
		return false
	}
	for _, c := range text[:len(text)-2] {
		if c != '-' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return text[0] != '-'
}

// set is the set of one Region, none for the zero one.
func (s *timeSpan) set(region regionName) regionSet {
	if region == (regionName{}) {
		return 0
	}
	i := slices.Index(s.regions, region)
	if i < 0 {
		if i = len(s.regions); i >= maxRegions {
			return 0
		}
		s.regions = append(s.regions, region)
	}
	return 1 << i
}

func (s *timeSpan) add(account accountID, in regionSet) {
	if s.accounts == nil {
		s.accounts = map[accountID]regionSet{}
	}
	if known, found := s.accounts[account]; found || len(s.accounts) < maxAccounts {
		s.accounts[account] = known | in
	}
}

// names are the Regions of a set, in no order.
func (s *timeSpan) names(in regionSet) (names []string) {
	for i := range s.regions {
		if in&(1<<i) != 0 {
			names = append(names, string(bytes.TrimRight(s.regions[i][:], "\x00")))
		}
	}
	return names
}

// track takes in a record's eventTime. Most are close to the one before.
func (s *timeSpan) track(at []byte) {
	switch {
	case !s.some:
		if s.isFuture(at) {
			return
		}
		copy(s.first[:], at)
		copy(s.last[:], at)
		s.some = true
	case bytes.Compare(at, s.last[:]) > 0:
		if !s.isFuture(at) {
			copy(s.last[:], at)
		}
	case bytes.Compare(at, s.first[:]) < 0:
		copy(s.first[:], at)
	}
}

func (s *timeSpan) trackTime(t time.Time) {
	if t.IsZero() {
		return
	}
	at := stampOf(t)
	s.track(at[:])
}

func (s *timeSpan) isFuture(at []byte) bool {
	if s.latest == (stamp{}) || bytes.Compare(at, s.latest[:]) <= 0 {
		return false
	}
	if s.future == 0 {
		copy(s.ahead[:], at)
	}
	s.future++
	return true
}

// join takes in the span of a log inside this one.
func (s *timeSpan) join(in *timeSpan) {
	if in.some {
		s.track(in.first[:])
		s.track(in.last[:])
	}
	if in.future > 0 && s.future == 0 {
		s.ahead = in.ahead
	}
	s.future += in.future
	for account, of := range in.accounts {
		var here regionSet
		for i := range in.regions {
			if of&(1<<i) != 0 {
				here |= s.set(in.regions[i])
			}
		}
		s.add(account, here)
	}
}

// Span is from when to when the records that were read are, those that the
// filter held back too; zero where no record has a time. Records later than
// NoneAfter do not count: how many there are, and when the first one is, is
// future and ahead.
func (r *Reader) Span() (first, last time.Time, future int64, ahead time.Time) {
	return r.span.first.time(), r.span.last.time(), r.span.future, r.span.ahead.time()
}

// Accounts are those that the records were delivered to, in no order, the
// records that the filter held back included.
func (r *Reader) Accounts() []string {
	accounts := make([]string, 0, len(r.span.accounts))
	for account := range r.span.accounts {
		accounts = append(accounts, string(account[:]))
	}
	return accounts
}

// Regions are those that the records of each account are of, as Accounts.
func (r *Reader) Regions() map[string][]string {
	all := make(map[string][]string, len(r.span.accounts))
	for account, in := range r.span.accounts {
		all[string(account[:])] = r.span.names(in)
	}
	return all
}

// NoneAfter sets the time after which no record can be, since it is not yet.
func (r *Reader) NoneAfter(latest time.Time) {
	if latest.IsZero() || latest.UTC().Year() > lastYear {
		r.span.latest = stamp{}
		return
	}
	r.span.latest = stampOf(latest)
}

// Limit sets the most bytes of JSON that the logs may have from now on, each by
// itself. 0 is no limit.
func (r *Reader) Limit(n int64) { r.limit = n }
