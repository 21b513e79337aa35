package cloudtrail

import (
	"bytes"
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

	account  accountID // of the record before
	accounts map[accountID]bool
}

// accountID is the ID of an account, 12 digits.
type accountID [12]byte

// maxAccounts is how many accounts a log is known to be of, more than there are
// in an organization.
const maxAccounts = 100_000

// of takes in a record's recipientAccountId.
func (s *timeSpan) of(account []byte) {
	if len(account) != len(s.account) || accountID(account) == s.account {
		return
	}
	s.account = accountID(account)
	s.add(s.account)
}

func (s *timeSpan) add(account accountID) {
	if s.accounts == nil {
		s.accounts = map[accountID]bool{}
	}
	if len(s.accounts) < maxAccounts {
		s.accounts[account] = true
	}
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
	for account := range in.accounts {
		s.add(account)
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
