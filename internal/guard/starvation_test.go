package guard_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

// TestFiveResendsHoldTheRestBack: the topic of escalations is gone. Ten critical
// incidents that nobody acknowledged are to be sent again; the topic of alerts is well.
func TestFiveResendsHoldTheRestBack(t *testing.T) {
	s := newWatched()
	resent := map[string]bool{}
	gone := false
	s.pub.Refuse = func(a alert.Alert) error {
		if !gone {
			return nil
		}
		if len(a.Took) == 0 {
			resent[a.Finding.EventID] = true // the topic of alerts took it
		}
		return &guard.Partial{Took: []string{"alerts"}, Err: errors.New("escalation: NotFound: Topic does not exist")}
	}
	for n := range 10 {
		began := s.clock.Now().Add(-time.Hour + time.Duration(n)*2*time.Minute)
		if _, err := s.Handle(t.Context(), s.removed(n, began, began.Add(time.Second))); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(time.Second)
	}
	gone = true
	for range 12 * 24 {
		s.clock.Advance(5 * time.Minute)
		_, _ = s.Insist(t.Context(), s.clock.Now())
	}
	if len(resent) < 10 {
		t.Errorf("after a day of runs %d of 10 critical incidents were sent again by the topic that is well", len(resent))
	}
}

// TestSilentAccountsStarve: accounts about which IAM does not answer (their member
// role is not deployed) keep users of others from being told of in time.
func TestSilentAccountsStarve(t *testing.T) {
	for _, silent := range []int{40, 300} {
		t.Run(fmt.Sprint(silent), func(t *testing.T) {
			s := newSwept()
			const users = 8
			for a := range silent {
				for u := range users {
					name := fmt.Sprintf("user%d", u)
					rec := iamCall("CreateLoginProfile", name, s.clock.Now())
					rec.RecipientAccountID = fmt.Sprintf("%012d", a)
					s.handle(t, rec, guard.Recorded)
				}
			}
			s.clock.Advance(time.Second)
			s.call(t, "CreateLoginProfile") // eve, of an account that is well
			deadline := s.clock.Now().Add(24 * time.Hour)
			s.clock.Advance(24*time.Hour + time.Second)
			live := liveFunc(func(ctx context.Context, of, name string) (bootstrap.LiveFact, error) {
				if of != account {
					return bootstrap.LiveFact{}, errors.New("AccessDenied: not authorized to perform: sts:AssumeRole")
				}
				return s.iam.User(ctx, of, name)
			})
			for run := 0; run < 12*48; run++ { // two days of a run every five minutes
				_, _ = s.Sweep(t.Context(), live, s.clock.Now())
				for _, a := range s.pub.Published() {
					if a.Finding.ID == detect.UserMFAMissing && a.Finding.Account == account {
						late := s.clock.Now().Sub(deadline)
						if late > 10*time.Minute {
							t.Errorf("%d silent accounts of %d users: eve, of a healthy account, is told of %v after her deadline (run %d)", silent, users, late.Round(time.Minute), run)
						}
						return
					}
				}
				s.clock.Advance(5 * time.Minute)
			}
			t.Errorf("%d silent accounts: eve is not told of within two days", silent)
		})
	}
}

// TestSilentAccountsFailEverySweep: the member role is missing in 100 accounts. Each
// run that meets one of their users fails: Lambda does all of that run three times and
// puts the schedule's event into the queue of failures, whose alarm then rings for ever.
func TestSilentAccountsFailEverySweep(t *testing.T) {
	s := newSwept()
	for a := range 100 {
		for u := range 8 {
			rec := iamCall("CreateLoginProfile", fmt.Sprintf("user%d", u), s.clock.Now())
			rec.RecipientAccountID = fmt.Sprintf("%012d", a)
			s.handle(t, rec, guard.Recorded)
		}
	}
	s.clock.Advance(24*time.Hour + time.Second)
	live := liveFunc(func(context.Context, string, string) (bootstrap.LiveFact, error) {
		return bootstrap.LiveFact{}, errors.New("AccessDenied: not authorized to perform: sts:AssumeRole")
	})
	runs, failed := 0, 0
	for ; runs < 12*48; runs++ {
		if _, err := s.Sweep(t.Context(), live, s.clock.Now()); err != nil {
			failed++
		}
		s.clock.Advance(5 * time.Minute)
	}
	if failed > runs/10 {
		t.Errorf("%d of %d runs in two days failed, each three times, so that the queue of failures has %d events of the schedule", failed, runs, failed)
	}
}
