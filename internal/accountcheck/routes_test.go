package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/wire"
)

func TestRouteHas(t *testing.T) {
	at := accountcheck.Placement{
		Units: []accountcheck.Unit{{ID: "r-a1b2"}, {ID: "ou-a1b2-11111111", Name: "Workloads"}, {ID: "ou-a1b2-22222222", Name: "Payments EU"}},
		Tags:  []accountcheck.Tag{{Key: "team", Value: "data"}, {Key: "cost", Value: "a=b"}, {Key: "empty"}},
	}
	for _, tt := range []struct {
		route accountcheck.Route
		want  bool
	}{
		{accountcheck.Route{Units: []string{"ou-a1b2-22222222"}}, true},
		{accountcheck.Route{Units: []string{"ou-a1b2-11111111"}}, true}, // above its own
		{accountcheck.Route{Units: []string{"r-a1b2"}}, true},
		{accountcheck.Route{Units: []string{"ou-a1b2-33333333", "Workloads"}}, true},
		{accountcheck.Route{Units: []string{"Payments EU"}}, true},
		{accountcheck.Route{Units: []string{"Workloads/Payments EU"}}, true},
		{accountcheck.Route{Units: []string{"/Workloads/"}}, true},
		{accountcheck.Route{Units: []string{"Payments"}}, false}, // a part of a name is no name
		{accountcheck.Route{Units: []string{"Work"}}, false},
		{accountcheck.Route{Units: []string{"workloads"}}, false},
		{accountcheck.Route{Units: []string{"Payments EU/Workloads"}}, false},
		{accountcheck.Route{Units: []string{"ou-a1b2-1111111"}}, false},
		{accountcheck.Route{Tags: []string{"team=data"}}, true},
		{accountcheck.Route{Tags: []string{"cost=a=b"}}, true},
		{accountcheck.Route{Tags: []string{"empty="}}, true},
		{accountcheck.Route{Tags: []string{"team=data2", "team=dat"}}, false},
		{accountcheck.Route{Tags: []string{"Team=data"}}, false},
		{accountcheck.Route{Accounts: []string{member}}, true},
		{accountcheck.Route{Accounts: []string{hub}}, false},
		{accountcheck.Route{Name: "none"}, false},
	} {
		if got := tt.route.Has(member, &at); got != tt.want {
			t.Errorf("%+v: %v", tt.route, got)
		}
	}
	if r := (accountcheck.Route{Units: []string{"ou-a1b2-11111111", "Data"}}); r.Has(member, &accountcheck.Placement{Units: []accountcheck.Unit{{ID: "r-a1b2"}, {ID: "ou-a1b2-9"}}}) {
		t.Error("a unit without a name is taken for one")
	}
}

// tree is an organization.
type tree struct {
	accounts []string
	unit     map[string]string // the name of an account's unit
	tag      map[string]string // value of its tag team
	fail     map[string]error  // by account; "" is all
	asked    []string
}

func (o *tree) Members(context.Context, string) (page []accountcheck.Member, next string, err error) {
	for _, id := range o.accounts {
		page = append(page, accountcheck.Member{Account: id, Active: true})
	}
	return page, "", nil
}

func (o *tree) answer(call, account string) error {
	o.asked = append(o.asked, call+" "+account)
	if err := o.fail[""]; err != nil {
		return fmt.Errorf("asking about %s: %w", account, err)
	}
	return o.fail[account]
}

func (o *tree) Units(_ context.Context, account string) ([]accountcheck.Unit, error) {
	if err := o.answer("units", account); err != nil {
		return nil, err
	}
	return []accountcheck.Unit{{ID: "r-a1b2"}, {ID: "ou-a1b2-" + o.unit[account], Name: o.unit[account]}}, nil
}

func (o *tree) Tags(_ context.Context, account string) ([]accountcheck.Tag, error) {
	return []accountcheck.Tag{{Key: "team", Value: o.tag[account]}}, o.answer("tags", account)
}

// routeBench sweeps an organization with routes.
type routeBench struct {
	*bench
	org *tree
}

var byUnit, byTag = accountcheck.Route{Name: "payments", Units: []string{"Payments"}}, accountcheck.Route{Name: "data", Tags: []string{"team=data"}, Accounts: []string{"333333333333"}}

func newRouteBench(t *testing.T, routes ...accountcheck.Route) *routeBench {
	t.Helper()
	b := &routeBench{bench: newBench(t), org: &tree{accounts: []string{hub, member, "333333333333"}, unit: map[string]string{member: "Payments"}, tag: map[string]string{hub: "data"}, fail: map[string]error{}}}
	b.choose(routes...)
	return b
}

func (b *routeBench) choose(routes ...accountcheck.Route) {
	b.accounts = wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: &fake.Claims{}, Facts: b.facts, Publisher: b.publisher, Now: b.clock.Now,
		Deadlines: &fake.Deadlines{}, Checks: b.checks,
	}, wire.Settings{Routes: routes}).Accounts
}

// sweep is what a run does about routes, every five minutes.
func (b *routeBench) sweep(n int) (last accountcheck.RoutesChecked) {
	b.t.Helper()
	for range n {
		if _, err := b.accounts.DiscoverAccounts(b.t.Context(), b.home, b.org, b.clock.Now()); err != nil {
			b.t.Fatal(err)
		}
		var err error
		if last, err = b.accounts.CheckRoutes(b.t.Context(), b.home, b.org, b.clock.Now()); err != nil {
			b.t.Fatal(err)
		}
		b.clock.Advance(5 * time.Minute)
	}
	return last
}

func (b *routeBench) routes(account, want string) {
	b.t.Helper()
	names, err := accountcheck.Schedule{Checks: b.checks}.RoutesOf(b.t.Context(), account)
	if got := strings.Join(names, " "); got != want || err != nil {
		b.t.Errorf("at %v account %s is in %q, %v, want %q", b.clock.Now(), account, got, err, want)
	}
}

func (b *routeBench) alerts() (titles []string) {
	for _, a := range b.publisher.Published() {
		titles = append(titles, a.Finding.Title)
	}
	return titles
}

// TestNoRoutes: nothing is asked or stored where no route is by unit or tag.
func TestNoRoutes(t *testing.T) {
	b := newRouteBench(t)
	if did := b.sweep(2); did != (accountcheck.RoutesChecked{}) || len(b.org.asked) > 0 {
		t.Errorf("%+v, %v", did, b.org.asked)
	}
	if r, err := b.checks.Of(accountcheck.KindRoutes).Get(t.Context(), hub+"/routes"); err != nil || r.Key != "" {
		t.Errorf("a row was made: %+v, %v", r, err)
	}
}

// TestRoutes follows an account that moves, and a change of the settings.
func TestRoutes(t *testing.T) {
	b := newRouteBench(t, byUnit, byTag)
	b.routes(member, "") // nothing is known yet
	b.sweep(1)
	b.routes(member, "payments")
	b.routes(hub, "data")
	b.routes("333333333333", "data") // it is listed
	asked := len(b.org.asked)
	b.sweep(10)
	if more := b.org.asked[asked:]; len(more) > 0 {
		t.Errorf("it asks more than once a day: %v", more)
	}
	b.org.unit[member], b.org.unit[hub] = "Other", "Payments"
	b.sweep(12 * 36)
	b.routes(member, "")
	b.routes(hub, "payments data")

	b.choose(byUnit, accountcheck.Route{Name: "others", Units: []string{"Other"}}) // deployed again
	asked = len(b.org.asked)
	b.sweep(2)
	b.routes(member, "others")
	b.routes(hub, "payments")
	b.routes("333333333333", "")
	if i := slices.IndexFunc(b.org.asked[asked:], func(s string) bool { return strings.HasPrefix(s, "tags") }); i >= 0 {
		t.Error("tags are asked for, which no route names")
	}
	if titles := b.alerts(); len(titles) > 0 {
		t.Errorf("alerts: %v", titles)
	}
}

// TestRoutesWithoutAnswer: where there is none, an account stays in its routes, and in
// those that list it; what is not known for long is reported once a day.
func TestRoutesWithoutAnswer(t *testing.T) {
	b := newRouteBench(t, byUnit, byTag)
	b.org.fail["333333333333"] = errors.New("no answer")
	did := b.sweep(1)
	if did.Accounts != 2 || did.Unanswered != 1 {
		t.Errorf("%+v", did)
	}
	b.routes("333333333333", "data")
	b.routes(member, "payments")
	b.org.unit[member], b.org.fail[member] = "Other", errors.New("no answer")
	b.sweep(12 * 30)
	b.routes(member, "payments")
	if titles := b.alerts(); len(titles) != 1 || titles[0] != "Guardrail unhealthy: routes" {
		t.Errorf("alerts: %v", titles)
	}
	delete(b.org.fail, member)
	b.org.fail["333333333333"] = fmt.Errorf("%w: ChildNotFoundException", accountcheck.ErrNotMember)
	b.sweep(12 * 30)
	b.routes(member, "")
	b.routes("333333333333", "data") // by the list alone
}

// TestRoutesDenied: where nothing may be asked, one call a run shows it, and it is
// reported at once, and once a day.
func TestRoutesDenied(t *testing.T) {
	b := newRouteBench(t, byUnit, byTag)
	b.org.fail[""] = accountcheck.ErrDenied
	b.sweep(1)
	if len(b.org.asked) != 1 {
		t.Errorf("asked %v", b.org.asked)
	}
	b.sweep(12)
	if titles := b.alerts(); len(titles) != 1 || titles[0] != "Guardrail unhealthy: routes" {
		t.Fatalf("alerts: %v", titles)
	}
	if f := b.publisher.Published()[0].Finding; !strings.Contains(f.Detail, "delegated administrators may ask") || !strings.Contains(f.Detail, "asking about") {
		t.Errorf("it says %q", f.Detail)
	}
	delete(b.org.fail, "")
	b.sweep(24)
	b.routes(member, "payments")
	b.routes(hub, "data")
}

// TestRoutesThrottled: after one throttled call the rest is left to the next run, and
// none is left out for ever.
func TestRoutesThrottled(t *testing.T) {
	b := newRouteBench(t, byUnit)
	b.org.accounts = nil
	for i := range 250 {
		id := fmt.Sprintf("%012d", 100000000000+i)
		b.org.accounts, b.org.unit[id] = append(b.org.accounts, id), "Payments"
	}
	b.org.fail[""] = accountcheck.ErrThrottled
	if did := b.sweep(1); !did.Throttled || did.Accounts > 0 || did.Unanswered != 1 || len(b.org.asked) != 1 {
		t.Errorf("%+v, asked %v", did, b.org.asked)
	}
	delete(b.org.fail, "")
	for range 3 {
		before := len(b.org.asked)
		b.sweep(1)
		if asked := len(b.org.asked) - before; asked > 100 {
			t.Errorf("a run asked about %d accounts", asked)
		}
	}
	b.sweep(2)
	for _, id := range b.org.accounts {
		b.routes(id, "payments")
	}
	if titles := b.alerts(); len(titles) > 0 {
		t.Errorf("alerts: %v", titles)
	}
}

// TestRoutesOfAnAccountThatLeft: it is asked about no more, and stays in its routes.
func TestRoutesOfAnAccountThatLeft(t *testing.T) {
	b := newRouteBench(t, byUnit)
	b.sweep(1)
	b.org.accounts = []string{hub}
	b.sweep(12 * 30)
	asked := len(b.org.asked)
	b.sweep(12 * 30)
	for _, what := range b.org.asked[asked:] {
		if strings.HasSuffix(what, member) {
			t.Errorf("%s: it left", what)
		}
	}
	b.routes(member, "payments")
	if titles := b.alerts(); len(titles) > 0 {
		t.Errorf("alerts: %v", titles)
	}
}
