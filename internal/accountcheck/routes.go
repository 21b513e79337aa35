package accountcheck

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

// Route is which accounts belong to a route that names organizational units or tags:
// those that it lists, those under one of the units, and those with one of the tags.
type Route struct {
	Name     string   `json:"name"`
	Accounts []string `json:"accounts,omitempty"`
	// Units are IDs (ou-…, r-…), or names, several of them one below the other with "/"
	// between, anywhere above the account.
	Units []string `json:"ou,omitempty"`
	Tags  []string `json:"tag,omitempty"` // "key=value"
}

// Unit is an organizational unit, or the root, whose Name is "" here.
type Unit struct{ ID, Name string }

// Placement is where an account is in its organization.
type Placement struct {
	Units []Unit // from the root down to its parent
	Tags  []Tag
}

// Tag is a tag of an account.
type Tag struct{ Key, Value string }

// Placer asks AWS Organizations where an account is.
type Placer interface {
	// Units are the root and the units above an account, from the root down. It
	// returns ErrNotMember where the account is not in the organization,
	// ErrThrottled where no more is to be asked for now, and ErrDenied where nothing
	// may be asked.
	Units(ctx context.Context, account string) ([]Unit, error)
	// Tags are the tags of an account. It fails as Units does.
	Tags(ctx context.Context, account string) ([]Tag, error)
}

// What a Placer's errors wrap.
var (
	ErrNotMember = errors.New("the account is not in the organization")
	ErrThrottled = errors.New("AWS Organizations was asked too often")
	ErrDenied    = errors.New("AWS Organizations may not be asked")
)

// Has reports whether an account belongs to the route.
func (r *Route) Has(account string, at *Placement) bool {
	if slices.Contains(r.Accounts, account) {
		return true
	}
	for _, tag := range at.Tags {
		if slices.Contains(r.Tags, tag.Key+"="+tag.Value) {
			return true
		}
	}
	names := make([]string, len(at.Units))
	for i, u := range at.Units {
		if slices.Contains(r.Units, u.ID) {
			return true
		}
		names[i] = u.Name
	}
	path := "/" + strings.Join(names, "/") + "/"
	return slices.ContainsFunc(r.Units, func(unit string) bool { return strings.Contains(path, "/"+strings.Trim(unit, "/")+"/") })
}

// AskNames reports whether routes name organizational units other than by ID.
func AskNames(routes []Route) bool {
	return slices.ContainsFunc(routes, func(r Route) bool {
		return slices.ContainsFunc(r.Units, func(unit string) bool { return !strings.HasPrefix(unit, "ou-") && !strings.HasPrefix(unit, "r-") })
	})
}

// Routed is to which routes an account belongs.
type Routed struct {
	Names  []string `json:"names,omitempty"`
	Routes string   `json:"routes,omitempty"` // the routes that were asked about, see routesID
}

// routesID identifies what routes ask, so that other routes are noticed.
func routesID(routes []Route) string {
	h := fnv.New64a()
	for i := range routes {
		r := &routes[i]
		_, _ = fmt.Fprintf(h, "%q%q%q%q", r.Name, r.Accounts, r.Units, r.Tags) // never fails
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// RoutesChecked says what CheckRoutes did.
type RoutesChecked struct {
	Accounts   int  // placed
	Changed    int  // that belong to other routes than before
	Unanswered int  // about which there was no answer
	Throttled  bool // the rest is left to the next run
	More       bool // some are due that were left to the next run
}

const (
	// routeBatch is how many accounts are placed one after the other, each by two
	// calls or a few: AWS Organizations allows few, to all that ask in an organization.
	routeBatch = 20
	// routesPerRun bounds the accounts of one run, for the same reason.
	routesPerRun = 100
	// placeTimeout bounds the calls about one account.
	placeTimeout = 10 * time.Second
)

// CheckRoutes finds to which routes the accounts belong that the settings name by
// organizational unit or tag, of each account once a day. Where there is no answer, an
// account stays in the routes in which it was, and those that list it. Other routes
// than at the last check have all accounts checked again.
func (k *Checker) CheckRoutes(ctx context.Context, home HubAccount, placer Placer, at time.Time) (RoutesChecked, error) {
	if len(k.settings.Routes) == 0 || placer == nil {
		return RoutesChecked{}, nil
	}
	if err := k.routesChanged(ctx, home.Account, at); err != nil {
		return RoutesChecked{}, err
	}
	r := routesRun{pass: pass{Checker: k, at: at}, placer: placer, routes: routesID(k.settings.Routes)}
	for i := range k.settings.Routes {
		r.units = r.units || len(k.settings.Routes[i].Units) > 0
		r.tags = r.tags || len(k.settings.Routes[i].Tags) > 0
	}
	err := r.walk(ctx, KindRoutes, min(routeBatch, k.settings.Batch), r.batch)
	if r.denied != nil {
		_, raised := k.deps.Guard.Raise(ctx, detect.Unhealthy(home.Account, home.Region, routesHealth, notRouted+r.denied.Error(), at))
		if raised != nil && !errors.Is(raised, guard.ErrBusy) {
			err = errors.Join(err, raised)
		}
	}
	r.More = r.more
	return r.RoutesChecked, err
}

const (
	routesHealth = "routes"
	notRouted    = "AWS Organizations does not answer in which organizational unit accounts are, or which tags they have. The receivers of all alerts get every alert; " +
		"those of a route by ou or tag get none of an account whose route is not known. Only the management account and delegated administrators may ask; deploy again: make deploy. It said: "
)

// routesChanged has accounts discovered at once, and so placed, where the guard's own
// account was placed by other routes.
func (k *Checker) routesChanged(ctx context.Context, hub string, at time.Time) error {
	r, err := k.schedule.read(ctx, hub, KindRoutes)
	if err != nil || r.Key != "" && (!r.Due.After(at) || r.UnansweredChecks > 0 || r.Routed.Routes == routesID(k.settings.Routes)) {
		return err
	}
	return k.schedule.revise(ctx, hub, KindDiscovery, func(r Check) (Check, bool) {
		write := r.Key != "" && r.Due.After(at)
		r.Due = at
		return r, write
	})
}

// routesRun is one run.
type routesRun struct {
	pass
	RoutesChecked
	placer      Placer
	routes      string
	units, tags bool
	asked       int
	denied      error
}

func (r *routesRun) batch(ctx context.Context, due []Check) {
	for i := range due {
		if r.halt || ctx.Err() != nil || r.asked >= routesPerRun {
			r.halt, r.more = true, true
			return
		}
		r.asked++
		r.account(ctx, &due[i])
	}
}

// account settles the row of one account.
func (r *routesRun) account(ctx context.Context, d *Check) {
	one, cancel := context.WithTimeout(ctx, placeTimeout)
	place, err := r.place(one, d.Account)
	cancel()
	if ctx.Err() != nil {
		return // what was cut off is no answer, and is left to the next run
	}
	now := *d
	now.Routed.Names = r.names(d, place, err)
	if !slices.Equal(now.Routed.Names, d.Routed.Names) {
		r.Changed++
	}
	if err != nil && !errors.Is(err, ErrNotMember) {
		r.Unanswered++
		if errors.Is(err, ErrDenied) {
			r.halt, r.denied = true, err
		}
		if errors.Is(err, ErrThrottled) {
			r.halt, r.Throttled = true, true
		}
		now.noAnswer(r.at)
		r.store(ctx, d, now)
		return
	}
	now.Routed.Routes, now.UnansweredChecks, now.Done, now.Due = r.routes, 0, r.at, nextCheck(d.Account, daily, r.at)
	if r.store(ctx, d, now) {
		r.Accounts++
	}
}

func (r *routesRun) place(ctx context.Context, account string) (p Placement, err error) {
	if r.units {
		if p.Units, err = r.placer.Units(ctx, account); err != nil {
			return Placement{}, err //nolint:wrapcheck // it says what was asked
		}
	}
	if r.tags {
		p.Tags, err = r.placer.Tags(ctx, account)
	}
	return p, err //nolint:wrapcheck // it says what was asked
}

// names are the routes of an account. Where it is not known where the account is, those
// are kept in which it was.
func (r *routesRun) names(d *Check, place Placement, err error) []string {
	var names []string
	for i := range r.settings.Routes {
		route := &r.settings.Routes[i]
		kept := err != nil && !errors.Is(err, ErrNotMember) && slices.Contains(d.Routed.Names, route.Name)
		if kept || route.Has(d.Account, &place) {
			names = append(names, route.Name)
		}
	}
	return names
}

// RoutesOf are the names of the routes to which an account belongs, as it was last
// placed; none where it was not yet.
func (s Schedule) RoutesOf(ctx context.Context, account string) ([]string, error) {
	r, err := s.read(ctx, account, KindRoutes)
	return r.Routed.Names, err
}

// unplaced reports whether an account's routes are not known for too long: there was no
// answer, or not its turn.
func unplaced(r *Check, at time.Time) bool {
	return r.UnansweredChecks >= accountfacts.AlertAfter || !r.Due.IsZero() && at.Sub(r.Due) > daily
}
