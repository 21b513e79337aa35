package digest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strconv"

	"rootguard/internal/bootstrap"
)

// Snapshot is how far the accounts are, in a form that is stored: for each a record of
// recordSize bytes, in the order of the account IDs. The zero value is empty.
//
// Ten thousand accounts are 70 KB, or 93 KB in base64, where an item of DynamoDB has at
// most 400 KB (Amazon DynamoDB Developer Guide, "Service, account, and table quotas").
type Snapshot []byte

const (
	idSize     = 5 // bytes of an account ID of 12 digits, big-endian
	recordSize = idSize + 2

	// MaxSnapshot is the most accounts that a Snapshot has; what changes at others is
	// not listed.
	MaxSnapshot = 25_000
)

// progress is how far one step is, in two bits.
type progress uint16

const (
	notDone   progress = iota // pending or unknown
	done                      // or not applicable
	regressed                 //
)

// steps is how far an account is: two bits for each step, the first step lowest.
type steps uint16

func stepsOf(s *bootstrap.Status) steps {
	var all steps
	for i, step := range s.Steps {
		p := notDone
		switch step.State {
		case bootstrap.Done, bootstrap.NotApplicable:
			p = done
		case bootstrap.Regressed:
			p = regressed
		case bootstrap.Pending, bootstrap.Unknown:
		}
		all |= steps(p) << (2 * i)
	}
	return all
}

func (s steps) of(i int) progress { return progress(s>>(2*i)) & 3 }

// whole reports whether each step is done.
func (s steps) whole() bool {
	for i := range bootstrap.Steps() {
		if s.of(i) != done {
			return false
		}
	}
	return true
}

// number is an account ID as a number; ok is false where it is none of 12 digits.
func number(account string) (n uint64, ok bool) {
	if len(account) != 12 {
		return 0, false
	}
	n, err := strconv.ParseUint(account, 10, 64)
	return n, err == nil
}

func (s Snapshot) at(i int) (account uint64, is steps) {
	var wide [8]byte
	copy(wide[8-idSize:], s[i*recordSize:])
	return binary.BigEndian.Uint64(wide[:]), steps(binary.BigEndian.Uint16(s[i*recordSize+idSize:]))
}

func (s Snapshot) len() int { return len(s) / recordSize }

// add appends an account, whose ID must be above all that are there.
func (s *Snapshot) add(account string, is steps) {
	n, ok := number(account)
	if !ok || s.len() >= MaxSnapshot {
		return
	}
	if last := s.len() - 1; last >= 0 {
		if before, _ := s.at(last); before >= n {
			return
		}
	}
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], n)
	*s = append(*s, wide[8-idSize:]...)
	*s = binary.BigEndian.AppendUint16(*s, uint16(is))
}

// Add appends the status of an account, whose ID must be above all that are there.
func (s *Snapshot) Add(status *bootstrap.Status) { s.add(status.Account, stepsOf(status)) }

// find returns how far an account was.
func (s Snapshot) find(account string) (is steps, found bool) {
	n, ok := number(account)
	if !ok {
		return 0, false
	}
	i := sort.Search(s.len(), func(i int) bool { at, _ := s.at(i); return at >= n })
	if i == s.len() {
		return 0, false
	}
	if at, is := s.at(i); at == n {
		return is, true
	}
	return 0, false
}

var errSnapshot = errors.New("it is no list of accounts")

// Check returns an error where stored bytes are no Snapshot: then there is none to
// compare with.
func (s Snapshot) Check() error {
	if len(s)%recordSize != 0 || s.len() > MaxSnapshot {
		return fmt.Errorf("reading the accounts of the last digest: %w: %d bytes", errSnapshot, len(s))
	}
	before := uint64(0)
	for i := range s.len() {
		n, _ := s.at(i)
		if i > 0 && n <= before {
			return fmt.Errorf("reading the accounts of the last digest: %w: not in order", errSnapshot)
		}
		before = n
	}
	return nil
}
