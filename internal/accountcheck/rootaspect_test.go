package accountcheck_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

// rootRecord is a call about root's own device, key or password.
func rootRecord(name string, at time.Time, request, response string) *cloudtrail.Record {
	return &cloudtrail.Record{
		EventID: name + "-" + at.Format(time.RFC3339), EventTime: at, EventSource: "iam.amazonaws.com", EventName: name,
		RecipientAccountID: home, UserIdentity: cloudtrail.UserIdentity{Type: "Root", AccountID: home, ARN: "arn:aws:iam::" + home + ":root"},
		RequestParameters: []byte(request), ResponseElements: []byte(response),
	}
}

// rootChange is a call that root made now, about a device or a key.
func (l *land) rootChange(name, request, response string) {
	if _, err := l.Handle(context.Background(), rootRecord(name, l.Clock.Now(), request, response)); err != nil {
		panic(err)
	}
}

func deviceRequest(name string) string {
	return fmt.Sprintf(`{"serialNumber":"arn:aws:iam::%s:mfa/%s"}`, home, name)
}

func keyResponse(id string) string { return fmt.Sprintf(`{"accessKey":{"accessKeyId":%q}}`, id) }

func keyRequest(id string) string { return fmt.Sprintf(`{"accessKeyId":%q}`, id) }

// seenLive counts the alerts of a finding that a check made.
func (l *land) seenLive(id detect.ID) (n int) {
	for _, a := range l.Receivers.Published() {
		if a.Finding.ID == id && a.Finding.Severity > detect.Info && a.Finding.Session == "live" {
			n++
		}
	}
	return n
}

// TestOneDeviceOfTwoHidesTheLast holds that the removal of one of two devices
// does not explain weeks later that the other is gone.
func TestOneDeviceOfTwoHidesTheLast(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	for _, first := range []string{"passkey", "phone"} {
		t.Run(first+" removed first", func(t *testing.T) {
			l := newLand()
			l.pass(t, 2*time.Hour)
			l.rootChange("EnableMFADevice", deviceRequest("passkey"), `{}`)
			l.pass(t, 2*time.Hour)
			l.rootChange("EnableMFADevice", deviceRequest("phone"), `{}`)
			l.pass(t, 2*time.Hour)
			l.rootChange("DeactivateMFADevice", deviceRequest(first), `{}`)
			l.pass(t, 14*24*time.Hour)
			before := len(l.Receivers.Published())
			if l.seenLive(detect.RootMFARemoved) != 0 {
				t.Fatalf("alerts of a device that is there: %v", l.Lines())
			}

			l.iam.roots[home] = rootUser{password: 1} // no event
			l.pass(t, 90*time.Minute)
			if l.seenLive(detect.RootMFARemoved) != 1 || len(l.Receivers.Published()) != before+1 {
				t.Errorf("alerts %v; root_mfa is %s", l.Lines()[before:], l.step(t, home, bootstrap.RootMFA))
			}
			l.pass(t, 7*24*time.Hour)
			if got := len(l.Receivers.Published()); got != before+1 {
				t.Errorf("alerted again: %v", l.Lines()[before+1:])
			}
		})
	}
}

// TestOneKeyOfTwo holds that the rotation of root's key is no key created without
// an event.
func TestOneKeyOfTwo(t *testing.T) {
	l := newLand()
	l.pass(t, 2*time.Hour)
	l.rootChange("CreateAccessKey", `{}`, keyResponse("AKIAONE"))
	l.iam.roots[home] = rootUser{mfa: 1, keys: 1, password: 1}
	l.pass(t, 2*time.Hour)
	l.rootChange("CreateAccessKey", `{}`, keyResponse("AKIATWO"))
	l.pass(t, 2*time.Hour)
	l.rootChange("DeleteAccessKey", keyRequest("AKIAONE"), `{}`) // AKIATWO stays
	l.pass(t, 48*time.Hour)
	if n := l.seenLive(detect.RootAccessKeyCreated) + l.seenLive(detect.RootAccessKeyPresent); n != 0 {
		t.Errorf("alerts %v", l.Lines())
	}
	// The second is deleted as well, and another is there: no event created it.
	l.rootChange("DeleteAccessKey", keyRequest("AKIATWO"), `{}`)
	l.pass(t, 2*time.Hour)
	if n := l.seenLive(detect.RootAccessKeyCreated); n != 1 {
		t.Errorf("%d alerts of a key that no event created: %v", n, l.Lines())
	}
}

// TestRootHistories holds what events before and between checks explain.
func TestRootHistories(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const (
		missing, removed = detect.RootMFAMissing, detect.RootMFARemoved
		present, created = detect.RootAccessKeyPresent, detect.RootAccessKeyCreated
		password         = detect.RootLoginProfileCreated
	)
	signIn := func(l *land, mfa string) {
		rec := rootRecord("ConsoleLogin", l.Clock.Now(), `null`, `{"ConsoleLogin":"Success"}`)
		rec.EventSource, rec.EventType, rec.AdditionalEventData = cloudtrail.SigninSource, "AwsConsoleSignIn", []byte(`{"MFAUsed":"`+mfa+`"}`)
		if _, err := l.Handle(context.Background(), rec); err != nil {
			panic(err)
		}
	}
	recovery := func(l *land) {
		rec := rootRecord("PasswordRecoveryCompleted", l.Clock.Now(), `null`, `{"PasswordRecoveryCompleted":"Success"}`)
		rec.EventSource, rec.UserIdentity = cloudtrail.SigninSource, cloudtrail.UserIdentity{Type: "Root", AccountID: home}
		if _, err := l.Handle(context.Background(), rec); err != nil {
			panic(err)
		}
	}
	activity := func(l *land, key string) {
		rec := rootRecord("ListBuckets", l.Clock.Now(), `null`, `null`)
		rec.EventSource, rec.UserIdentity.AccessKeyID = "s3.amazonaws.com", key
		if _, err := l.Handle(context.Background(), rec); err != nil {
			panic(err)
		}
	}
	for _, tt := range []struct {
		name   string
		before rootUser // as of the first check
		do     func(l *land)
		after  rootUser
		want   []detect.ID // alerts of checks
	}{
		{"a device replaced by another", good, func(l *land) {
			l.rootChange("EnableMFADevice", deviceRequest("new"), `{}`)
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
		}, good, nil},
		{"a device replaced by another, and that one gone at once", good, func(l *land) {
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
			l.Clock.Advance(time.Minute)
			l.rootChange("EnableMFADevice", deviceRequest("new"), `{}`)
		}, rootUser{password: 1}, []detect.ID{removed}},
		{"one enabled before the other was removed, gone at once", good, func(l *land) {
			l.rootChange("EnableMFADevice", deviceRequest("new"), `{}`)
			l.Clock.Advance(time.Minute)
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
		}, rootUser{password: 1}, []detect.ID{removed}},
		{"both removed, which events show", good, func(l *land) {
			l.rootChange("EnableMFADevice", deviceRequest("new"), `{}`)
			l.Clock.Advance(time.Minute)
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
			l.Clock.Advance(time.Minute)
			l.rootChange("DeactivateMFADevice", deviceRequest("new"), `{}`)
		}, rootUser{password: 1}, nil},
		{"both removed, one by a record that does not name it", good, func(l *land) {
			l.rootChange("EnableMFADevice", deviceRequest("new"), `{}`)
			l.Clock.Advance(time.Minute)
			l.rootChange("DeactivateMFADevice", `{}`, `{}`)
		}, rootUser{password: 1}, nil},
		{"a sign-in with MFA after one was removed, and the other is gone", good, func(l *land) {
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
			l.Clock.Advance(time.Minute)
			signIn(l, "Yes")
		}, rootUser{password: 1}, []detect.ID{removed}},
		{"a sign-in without MFA after the last was removed", good, func(l *land) {
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
			l.Clock.Advance(time.Minute)
			signIn(l, "No")
		}, rootUser{password: 1}, nil},
		{"removed centrally, with the password", good, func(l *land) {
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
		}, rootUser{}, nil},
		{"recovered without MFA", rootUser{}, recovery, rootUser{password: 1}, []detect.ID{missing}},
		{"recovered, and MFA set up", rootUser{}, func(l *land) {
			recovery(l)
			l.rootChange("EnableMFADevice", deviceRequest("new"), `{}`)
		}, good, nil},
		{"a password, and root is at work without a key", rootUser{}, func(l *land) { activity(l, "ASIACONSOLE") }, good, nil},
		{"recovered, by a record that does not say by whom", rootUser{}, func(l *land) {
			rec := rootRecord("PasswordRecoveryCompleted", l.Clock.Now(), `null`, `{"PasswordRecoveryCompleted":"Success"}`)
			rec.EventSource, rec.UserIdentity = cloudtrail.SigninSource, cloudtrail.UserIdentity{}
			l.deliver(sure{}, rec)
		}, rootUser{mfa: 1, password: 1}, nil},
		{"a password, and a sign-in with it", rootUser{}, func(l *land) { signIn(l, "Yes") }, good, nil},
		{"a password, and a session of AssumeRoot at work", rootUser{}, func(l *land) {
			l.deliver(sure{}, &cloudtrail.Record{
				EventID: "assume", EventTime: l.Clock.Now(), EventSource: "sts.amazonaws.com", EventName: "AssumeRoot", RecipientAccountID: member,
				UserIdentity:      cloudtrail.UserIdentity{Type: "AssumedRole", AccountID: member},
				RequestParameters: []byte(`{"targetPrincipal":"` + home + `"}`), ResponseElements: []byte(`{"credentials":{"accessKeyId":"ASIAROOT"}}`),
			})
			activity(l, "ASIAROOT")
		}, good, []detect.ID{password}},
		{"a device enabled and removed in one second", good, func(l *land) {
			l.rootChange("DeactivateMFADevice", deviceRequest("old"), `{}`)
			l.Clock.Advance(time.Minute)
			l.rootChange("EnableMFADevice", deviceRequest("new"), `{}`)
			l.rootChange("DeactivateMFADevice", deviceRequest("new"), `{}`)
		}, rootUser{password: 1}, nil},
		{"a password, and root is at work with a key", rootUser{}, func(l *land) { activity(l, "AKIAONE") }, good, []detect.ID{password}},
		{"a key, and one more", good, func(l *land) {
			l.rootChange("CreateAccessKey", `{}`, keyResponse("AKIAONE"))
			l.rootChange("DeleteAccessKey", keyRequest("AKIAOLD"), `{}`)
		}, rootUser{mfa: 1, keys: 1, password: 1}, nil},
		{"the key of the event is gone, another is there", good, func(l *land) {
			l.rootChange("CreateAccessKey", `{}`, keyResponse("AKIAONE"))
			l.rootChange("DeleteAccessKey", keyRequest("AKIAONE"), `{}`)
		}, rootUser{mfa: 1, keys: 1, password: 1}, []detect.ID{created}},
		{"an old key rotated", rootUser{mfa: 1, keys: 1, password: 1}, func(l *land) {
			l.rootChange("CreateAccessKey", `{}`, keyResponse("AKIANEW"))
			l.rootChange("DeleteAccessKey", keyRequest("AKIAOLD"), `{}`)
		}, rootUser{mfa: 1, keys: 1, password: 1}, []detect.ID{present}}, // the old one, at the first check
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLand()
			l.iam.roots[home] = tt.before
			l.pass(t, 3*time.Hour)
			tt.do(l)
			l.iam.roots[home] = tt.after
			l.pass(t, 50*time.Hour)
			l.wantLive(t, tt.want...)
		})
		t.Run("before the first check: "+tt.name, func(t *testing.T) {
			if tt.before != good {
				t.Skip("events alone do not show what was before")
			}
			l := newLand()
			l.rootChange("EnableMFADevice", deviceRequest("old"), `{}`)
			l.Clock.Advance(time.Hour)
			tt.do(l)
			l.Clock.Advance(time.Hour)
			l.iam.roots[home] = tt.after
			l.pass(t, 50*time.Hour)
			var want []detect.ID
			for _, id := range tt.want {
				if id == created {
					id = present // that there was none no check has seen
				}
				want = append(want, id)
			}
			l.wantLive(t, want...)
		})
	}
}

// wantLive compares the findings that checks alerted.
func (l *land) wantLive(t *testing.T, want ...detect.ID) {
	t.Helper()
	got := []detect.ID{}
	for _, a := range l.Receivers.Published() {
		if a.Finding.Session == "live" {
			got = append(got, a.Finding.ID)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("alerts of checks: %v, want %v; all: %v", got, want, l.Lines())
	}
}

// TestRecheckRoot holds that root is checked again soon after the event of a
// device or a key: the removal of one of two says by its event alone that root
// has none where the other is not on record.
func TestRecheckRoot(t *testing.T) {
	row := func(l *land) (row accountcheck.Check) {
		t.Helper()
		err := l.rounds.Of(accountcheck.KindRoot).Update(t.Context(), home+"/posture", func(r accountcheck.Check) accountcheck.Check {
			row = r
			return accountcheck.Check{}
		})
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	for name, change := range map[string]func(l *land){
		"EnableMFADevice":     func(l *land) { l.rootChange("EnableMFADevice", deviceRequest("one"), `{}`) },
		"DeactivateMFADevice": func(l *land) { l.rootChange("DeactivateMFADevice", deviceRequest("one"), `{}`) },
		"CreateAccessKey":     func(l *land) { l.rootChange("CreateAccessKey", `{}`, keyResponse("AKIAONE")) },
		"DeleteAccessKey":     func(l *land) { l.rootChange("DeleteAccessKey", keyRequest("AKIAONE"), `{}`) },
		"CreateLoginProfile":  func(l *land) { l.rootChange("CreateLoginProfile", `{}`, `{}`) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLand()
			l.pass(t, 3*time.Hour)
			for row(l).Due.Sub(l.Clock.Now()) < 10*time.Minute {
				l.pass(t, 5*time.Minute)
			}
			checks, soon := l.iam.checked[home], l.Clock.Now().Add(5*time.Minute+time.Second)
			change(l)
			if r := row(l); !r.Due.Equal(soon) || !r.Root.Compared.IsZero() {
				t.Errorf("the row: %+v, want it to be due at %v", r, soon)
			}
			// Another event later does not put the check off.
			l.Clock.Advance(time.Minute)
			l.rootChange("EnableMFADevice", deviceRequest("two"), `{}`)
			if r := row(l); !r.Due.Equal(soon) {
				t.Errorf("the row: %+v, want it to be due at %v", r, soon)
			}
			l.pass(t, 10*time.Minute)
			if n := l.iam.checked[home] - checks; n < 1 || n > 2 {
				t.Errorf("root was checked %d times", n)
			}
			l.pass(t, 3*time.Hour)
			if n := l.iam.checked[home] - checks; n > 5 {
				t.Errorf("root was checked %d times in three hours", n)
			}
		})
	}

	// The status is set right.
	l := newLand()
	l.pass(t, 3*time.Hour)
	l.rootChange("DeactivateMFADevice", deviceRequest("one"), `{}`)
	if got := l.step(t, home, bootstrap.RootMFA); got != bootstrap.Regressed {
		t.Fatalf("root_mfa is %s", got)
	}
	l.pass(t, 10*time.Minute)
	if got := l.step(t, home, bootstrap.RootMFA); got != bootstrap.Done {
		t.Errorf("root_mfa is %s ten minutes later", got)
	}

	// An account that is not checked stays so.
	l = newLand()
	l.rootChange("DeactivateMFADevice", deviceRequest("one"), `{}`)
	if r := row(l); r.Key != "" {
		t.Errorf("the row: %+v", r)
	}
}

// TestRootLateRun holds that what a check saw counts as of when it saw it, where
// the schedule's event comes late, and that a fact of a live check counts too.
func TestRootLateRun(t *testing.T) {
	l := newLand()
	l.pass(t, 3*time.Hour)
	scheduled := l.Clock.Now().Add(2 * time.Hour)
	l.Clock.Advance(2*time.Hour + time.Minute)
	rec := rootRecord("DeactivateMFADevice", l.Clock.Now(), deviceRequest("one"), `{}`)
	l.Clock.Advance(10 * time.Minute)
	if _, err := l.CheckRoots(t.Context(), l.iam, nil, scheduled); err != nil { // the other is there
		t.Fatal(err)
	}
	l.iam.roots[home] = rootUser{password: 1} // no event
	l.deliver(t, rec)
	l.pass(t, 2*time.Hour)
	l.wantLive(t, detect.RootMFARemoved)

	// Without a row's times, a live check that is on record says when root had MFA.
	l = newLand()
	l.rootChange("DeactivateMFADevice", deviceRequest("one"), `{}`)
	l.Clock.Advance(time.Hour)
	fact := bootstrap.LiveFactOf(home, l.Clock.Now(), good.answer())
	if _, err := l.FactRows.Add(t.Context(), []bootstrap.Fact{fact}); err != nil {
		t.Fatal(err)
	}
	l.Clock.Advance(time.Hour)
	l.iam.roots[home] = rootUser{password: 1}
	l.pass(t, 2*time.Hour)
	l.wantLive(t, detect.RootMFARemoved)
}

// TestRootRowsOfEarlierVersions holds that a row without the times when checks saw
// root right goes by its last answer, and alerts of what it hid so far.
func TestRootRowsOfEarlierVersions(t *testing.T) {
	forget := func(l *land) {
		err := l.rounds.Of(accountcheck.KindRoot).Update(t.Context(), home+"/posture", func(r accountcheck.Check) accountcheck.Check {
			r.Root.Seen = accountcheck.RootSeen{}
			return r
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	start := func() *land {
		l := newLand()
		l.pass(t, 2*time.Hour)
		l.rootChange("EnableMFADevice", deviceRequest("passkey"), `{}`)
		l.Clock.Advance(time.Minute)
		l.rootChange("EnableMFADevice", deviceRequest("phone"), `{}`)
		l.Clock.Advance(time.Minute)
		l.rootChange("DeactivateMFADevice", deviceRequest("phone"), `{}`)
		return l
	}
	t.Run("MFA is removed after the update", func(t *testing.T) {
		l := start()
		l.pass(t, 48*time.Hour)
		forget(l)
		l.iam.roots[home] = rootUser{password: 1}
		l.pass(t, 2*time.Hour)
		l.wantLive(t, detect.RootMFARemoved)
	})
	t.Run("an event that arrives with the update", func(t *testing.T) {
		l := start()
		l.pass(t, 48*time.Hour)
		forget(l)
		l.rootChange("DeactivateMFADevice", deviceRequest("passkey"), `{}`)
		l.iam.roots[home] = rootUser{password: 1}
		l.pass(t, 50*time.Hour)
		l.wantLive(t)
	})
	t.Run("a problem that waits", func(t *testing.T) {
		l := start()
		l.pass(t, 48*time.Hour)
		l.iam.roots[home] = rootUser{password: 1}
		for waits := false; !waits; {
			l.pass(t, 5*time.Minute)
			err := l.rounds.Of(accountcheck.KindRoot).Update(t.Context(), home+"/posture", func(r accountcheck.Check) accountcheck.Check {
				if waits = len(r.Root.Problems) > 0; waits {
					r.Root.Known, r.Root.Compared, r.Root.Seen = nil, time.Time{}, accountcheck.RootSeen{}
				}
				return r
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		l.pass(t, 2*time.Hour)
		l.wantLive(t, detect.RootMFARemoved)
	})
	t.Run("a device that is gone since before the update", func(t *testing.T) {
		l := start()
		l.pass(t, 48*time.Hour)
		gone := rootUser{password: 1}
		l.iam.roots[home] = gone
		err := l.rounds.Of(accountcheck.KindRoot).Update(t.Context(), home+"/posture", func(r accountcheck.Check) accountcheck.Check {
			live := gone.answer()
			r.Root = accountcheck.Root{Known: &live, Compared: l.Clock.Now()} // taken for explained
			return r
		})
		if err != nil {
			t.Fatal(err)
		}
		l.pass(t, 26*time.Hour)
		l.wantLive(t, detect.RootMFARemoved)
	})
}

// TestRootUnknown holds that an answer which does not say neither closes a problem
// nor makes one.
func TestRootUnknown(t *testing.T) {
	l := newLand()
	l.iam.roots[home] = rootUser{password: 1, keys: 1}
	l.pass(t, time.Hour)
	l.wantLive(t, detect.RootAccessKeyPresent, detect.RootMFAMissing)
	before := len(l.Receivers.Published())
	for end := l.Clock.Now().Add(30 * time.Hour); l.Clock.Now().Before(end); l.Clock.Advance(5 * time.Minute) {
		if _, err := l.CheckRoots(t.Context(), rootsFunc(func() bootstrap.LiveFact { return bootstrap.LiveFact{} }), nil, l.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(l.Receivers.Published()); got != before {
		t.Errorf("alerts %v", l.Lines()[before:])
	}
	l.pass(t, 3*time.Hour)
	if got := len(l.Receivers.Published()); got != before {
		t.Errorf("alerted again: %v", l.Lines()[before:])
	}
	l.iam.roots[home] = good
	l.pass(t, 3*time.Hour)
	if got := len(l.Receivers.Published()); got != before+2 {
		t.Errorf("closed: %v", l.Lines()[before:])
	}
}

type rootsFunc func() bootstrap.LiveFact

func (f rootsFunc) AccountSummary(context.Context, string) (bootstrap.LiveFact, error) {
	return f(), nil
}

// TestRootProblemWaits holds that a problem is neither on record nor alerted before
// its event had time to arrive, not even where another event has root checked
// again, nor by an answer that does not say; and that nothing is closed of which
// no one was alerted.
func TestRootProblemWaits(t *testing.T) {
	waits := func() *land {
		l := newLand()
		l.pass(t, 3*time.Hour)
		l.iam.roots[home] = rootUser{password: 1}
		for n := l.iam.checked[home]; l.iam.checked[home] == n; {
			l.pass(t, 5*time.Minute)
		}
		if got := l.step(t, home, bootstrap.RootMFA); got != bootstrap.Done {
			t.Fatalf("root_mfa is %s while the event may arrive", got)
		}
		return l
	}
	t.Run("checked again before the time", func(t *testing.T) {
		l := waits()
		l.rootCall("CreateAccessKey", 10*time.Minute)
		l.rootCall("DeleteAccessKey", 9*time.Minute)
		n := l.iam.checked[home]
		l.pass(t, 5*time.Minute)
		if l.iam.checked[home] == n {
			t.Fatal("root was not checked again")
		}
		l.wantLive(t)
		l.pass(t, 30*time.Minute)
		l.wantLive(t, detect.RootMFARemoved)
	})
	t.Run("an answer that does not say", func(t *testing.T) {
		l := waits()
		for range 12 {
			l.Clock.Advance(5 * time.Minute)
			if _, err := l.CheckRoots(t.Context(), rootsFunc(func() bootstrap.LiveFact { return bootstrap.LiveFact{} }), nil, l.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		}
		l.wantLive(t)
		l.pass(t, 2*time.Hour)
		l.wantLive(t, detect.RootMFARemoved)
	})
	t.Run("over", func(t *testing.T) {
		l := waits()
		l.iam.roots[home] = good
		l.pass(t, 3*time.Hour)
		l.want(t)
	})
	t.Run("what is on record is read once a day", func(t *testing.T) {
		l := newLand()
		l.pass(t, 2*time.Hour)
		reads := func() (n int) {
			for _, c := range l.Script.Calls() {
				if c == "Facts.Facts" || c == "Facts.Pages" {
					n++
				}
			}
			return n
		}
		before := reads()
		if before == 0 {
			t.Fatal("facts were never read")
		}
		for range 10 * 12 {
			l.Clock.Advance(5 * time.Minute)
			if _, err := l.CheckRoots(t.Context(), l.iam, nil, l.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if n := reads() - before; n > 1 {
			t.Errorf("facts were read %d times in ten hours", n)
		}
	})
}
