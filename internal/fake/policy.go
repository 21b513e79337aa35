package fake

import (
	"context"
	"maps"
	"slices"
	"sync"

	"rootguard/internal/quarantine"
)

var (
	_ quarantine.Policy = (*Policy)(nil)
	_ quarantine.Safety = (*Policy)(nil)
)

// Policy is a quarantine.Policy, and a quarantine.Safety, in memory. The zero
// value is ready.
type Policy struct {
	Script *Script
	// Refuse, where set, is asked first; its error is returned.
	Refuse func(call, user string) error
	// During, where set, is called once, before the next policy is attached.
	During func()

	// Admins are who has a policy of administrators, and Bars what keeps users from
	// enabling MFA, by "account/user".
	Admins map[string]bool
	Bars   map[string]string

	mu       sync.Mutex
	attached map[string]bool // "account/user"
}

// Users are those the policy is attached to, as "account/user", in order.
func (p *Policy) Users() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.attached))
}

func (p *Policy) call(ctx context.Context, name, user string, work func()) error {
	return p.Script.call("Policy."+name, func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.Refuse != nil {
			if err := p.Refuse(name, user); err != nil {
				return err
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		work()
		return nil
	})
}

// Attach is quarantine.Policy's.
func (p *Policy) Attach(ctx context.Context, account, user string) error {
	if during := p.During; during != nil {
		p.During = nil
		during()
	}
	return p.call(ctx, "Attach", user, func() {
		if p.attached == nil {
			p.attached = map[string]bool{}
		}
		p.attached[account+"/"+user] = true
	})
}

// Detach is quarantine.Policy's.
func (p *Policy) Detach(ctx context.Context, account, user string) (was bool, err error) {
	err = p.call(ctx, "Detach", user, func() {
		was = p.attached[account+"/"+user]
		delete(p.attached, account+"/"+user)
	})
	return was, err
}

// Attached is quarantine.Policy's.
func (p *Policy) Attached(ctx context.Context, account, user string) (is bool, err error) {
	err = p.call(ctx, "Attached", user, func() { is = p.attached[account+"/"+user] })
	return is, err
}

// Administrator is quarantine.Safety's.
func (p *Policy) Administrator(ctx context.Context, account, user string) (is bool, err error) {
	err = p.call(ctx, "Administrator", user, func() { is = p.Admins[account+"/"+user] })
	return is, err
}

// Barred is quarantine.Safety's.
func (p *Policy) Barred(ctx context.Context, account, user string) (why string, err error) {
	err = p.call(ctx, "Barred", user, func() { why = p.Bars[account+"/"+user] })
	return why, err
}
