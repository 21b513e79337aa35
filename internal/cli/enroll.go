package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/iam"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
)

type enrollCmd struct {
	alwaysAWS
	writeFlags
	Accounts     []accountID `arg:"" optional:"" name:"account" predictor:"account" help:"Accounts to enroll; none: the one that rootguard is deployed in."`
	Organization bool        `help:"Enroll all active accounts of the organization, but for those that were checked within the last hour."`
	JSON         bool        `help:"Print one JSON object a line and nothing else on standard output."`
}

// Help has examples.
func (enrollCmd) Help() string {
	return `Makes accounts known to the deployed rootguard and checks them at once: the state of root, and which IAM users there are. The sweep does so by itself, within an hour for root and within a day for users. A user with a console password and no MFA has its grace from now on. What is wrong with root is reported by the sweep, 15 minutes later, if it is still so.

Done again it changes nothing that is on record already. Interrupted, it goes on where it was, and what it has no answer about is left to the sweep, due at once. So is an account that your credentials may not ask about: the role in member accounts lets only roles of rootguard's own account in whose name begins with rootguard-.

It needs iam:GetAccountSummary, iam:GetLoginProfile, iam:ListMFADevices, iam:ListUsers and iam:ListVirtualMFADevices, for other accounts sts:AssumeRole on their role, with --organization organizations:ListAccounts in the management account or a delegated administrator. ` + strings.TrimPrefix(announcePermissions, "It needs ") + `

With --json, each line of standard output is an object with a "schema": "rootguard.adopt/1" for an account, and one "rootguard.adopt_summary/1" as the last line.

Examples:
  rootguard enroll                          # the account that rootguard is deployed in
  rootguard enroll 111122223333 444455556666
  rootguard enroll --organization --json | jq 'select(.without_mfa > 0)'`
}

// enrollSchema and enrollSummarySchema are the versions of the JSON, whose names are published.
const (
	enrollSchema        = "rootguard.adopt/1"
	enrollSummarySchema = "rootguard.adopt_summary/1"
)

// The states of an account that is enrolled. The JSON keeps the word of its first version.
const (
	enrollDone   = "adopted"
	enrollRecent = "recent"        // checked within the last hour
	enrollLeft   = "left to sweep" // not answered about
)

type enrolledJSON struct {
	Schema      string    `json:"schema"`
	Account     string    `json:"account"`
	Name        string    `json:"name,omitempty"`
	State       string    `json:"state"`
	Root        *rootJSON `json:"root,omitempty"`
	Users       int       `json:"users"`
	Found       int       `json:"found"` // of these not on record before
	Gone        int       `json:"gone"`
	WithoutMFA  int       `json:"without_mfa"`
	DeadlineSet int       `json:"deadlines_set"`
	Unanswered  int       `json:"unanswered"`
	Error       string    `json:"error,omitempty"`
}

// rootJSON is what IAM says of root; a field that it does not say is null.
type rootJSON struct {
	MFA        *bool `json:"mfa"`
	AccessKeys *bool `json:"access_keys"`
	Password   *bool `json:"password"`
}

type enrollSummary struct {
	Schema      string `json:"schema"`
	Accounts    int    `json:"accounts"`
	Recent      int    `json:"recent"`
	Left        int    `json:"left_to_sweep"`
	Users       int    `json:"users"`
	WithoutMFA  int    `json:"without_mfa"`
	DeadlineSet int    `json:"deadlines_set"`
}

// Run enrolls the accounts.
func (c enrollCmd) Run(ctx context.Context, sys system) error {
	if c.Organization && len(c.Accounts) > 0 {
		return usageError{"--organization enrolls all accounts; name some, or give --organization"}
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	home := o.config.Account
	if part := strings.SplitN(o.actor.ARN, ":", 6); len(part) == 6 && part[4] != home {
		return fmt.Errorf("rootguard is deployed in account %s, and your credentials are of account %s: what they see would be taken for the other's; name a profile with --profile", home, part[4])
	}
	for _, a := range c.Accounts {
		if string(a) != home && o.config.MemberRole == "" {
			return usageError{fmt.Sprintf("account %s: rootguard is deployed for account %s alone, and has no role in others; set organization in cdk.json and deploy", a, home)}
		}
	}
	accounts, err := c.accounts(ctx, o)
	if err != nil {
		return err
	}
	live := iam.Over(o.aws, iam.Home{Partition: o.config.Partition, Account: home}, o.config.MemberRole)

	progress := progressLine{sys: sys}
	defer progress.clear()
	sum := enrollSummary{Schema: enrollSummarySchema, Accounts: len(accounts)}
	for i, account := range accounts {
		where := fmt.Sprintf("account %d of %d", i+1, len(accounts))
		progress.draw(where)
		done, err := c.enroll(ctx, sys, o, live, account, func(checked, of int) {
			progress.draw(fmt.Sprintf("%s: %d of %s", where, checked, plural(int64(of), "user")))
		})
		progress.clear()
		if err != nil {
			return errors.Join(err, c.summary(sys, &sum))
		}
		sum.add(&done)
		if done.Error != "" {
			fmt.Fprintf(sys.stderr, "%s: left to the sweep, which checks it within minutes: %s\n", label.Clean(account), label.Clean(done.Error))
		}
		if err := c.print(sys, &done); err != nil {
			return err
		}
	}
	return c.summary(sys, &sum)
}

// accounts are those to enroll, in order.
func (c enrollCmd) accounts(ctx context.Context, o *operator) ([]string, error) {
	if !c.Organization {
		accounts := make([]string, 0, len(c.Accounts))
		for _, a := range c.Accounts {
			if !slices.Contains(accounts, string(a)) {
				accounts = append(accounts, string(a))
			}
		}
		if len(accounts) == 0 {
			accounts = append(accounts, o.config.Account)
		}
		return accounts, nil
	}
	if o.members == nil {
		return nil, usageError{"rootguard is not deployed for an organization: set organization in cdk.json and deploy"}
	}
	var accounts []string
	for token, more := "", true; more; {
		page, next, err := o.members.Members(ctx, token)
		if err != nil {
			return nil, fmt.Errorf("finding the organization's accounts: %w", err)
		}
		for _, m := range page {
			if m.Active {
				accounts = append(accounts, m.Account)
			}
		}
		token, more = next, next != ""
	}
	slices.Sort(accounts)
	return accounts, nil
}

// enroll checks one account. What it has no answer about is in the result; an
// error ends the command.
func (c enrollCmd) enroll(ctx context.Context, sys system, o *operator, live accountcheck.IAMReader, account string,
	progress func(checked, of int)) (enrolledJSON, error) {
	done := enrolledJSON{Schema: enrollSchema, Account: account, Name: o.config.AccountName(account), State: enrollDone}
	if c.Organization {
		recent, err := o.parts.Accounts.Recently(ctx, account, sys.now())
		if err != nil {
			return done, err
		}
		if recent {
			done.State = enrollRecent
			return done, nil
		}
	}
	got, err := o.parts.Accounts.Enroll(ctx, live, account, sys.now(), progress)
	done.Users, done.Found, done.Gone, done.WithoutMFA = got.Users, got.Found, got.Gone, got.WithoutMFA
	done.DeadlineSet, done.Unanswered = got.Tracked, got.Unanswered
	if got.Root.AccountMFAEnabled != nil {
		done.Root = rootOf(&got.Root)
	}
	switch silent := (&accountcheck.UnreachableError{}); {
	case ctx.Err() != nil:
		return done, fmt.Errorf("stopped at account %s: %w; the same command goes on there", account, ctx.Err())
	case errors.As(err, &silent):
		done.State, done.Error = enrollLeft, silent.Error()
		return done, nil
	default:
		return done, err
	}
}

func rootOf(l *bootstrap.LiveFact) *rootJSON {
	yes := func(n *int) *bool {
		if n == nil {
			return nil
		}
		is := *n != 0
		return &is
	}
	return &rootJSON{MFA: yes(l.AccountMFAEnabled), AccessKeys: yes(l.AccountAccessKeysPresent), Password: yes(l.AccountPasswordPresent)}
}

func (s *enrollSummary) add(a *enrolledJSON) {
	switch a.State {
	case enrollRecent:
		s.Recent++
	case enrollLeft:
		s.Left++
	}
	s.Users += a.Users
	s.WithoutMFA += a.WithoutMFA
	s.DeadlineSet += a.DeadlineSet
}

func (c enrollCmd) print(sys system, a *enrolledJSON) error {
	if c.JSON {
		return writeLine(sys.stdout, a)
	}
	name := a.Account
	if a.Name != "" {
		name = a.Name + " (" + a.Account + ")"
	}
	var text string
	switch a.State {
	case enrollRecent:
		text = "checked within the last hour"
	case enrollLeft:
		text = "left to the sweep"
	default:
		parts := []string{rootText(a.Root) + "; " + plural(int64(a.Users), "user")}
		for _, part := range []struct {
			n    int
			what string
		}{{a.Found, "new on record"}, {a.Gone, "gone"}, {a.WithoutMFA, "without MFA"}, {a.Unanswered, "not answered about"}} {
			if part.n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
			}
		}
		text = strings.Join(parts, ", ")
	}
	return writeText(sys.stdout, label.Clean(name)+": "+text+"\n")
}

// rootText says the status of root, what is wrong first.
func rootText(r *rootJSON) string {
	is := func(value *bool) bool { return value != nil && *value }
	var wrong []string
	if !is(r.MFA) && (r.Password == nil || *r.Password) {
		wrong = append(wrong, "root WITHOUT MFA")
	}
	if is(r.AccessKeys) {
		wrong = append(wrong, "root has an ACCESS KEY")
	}
	switch {
	case len(wrong) > 0:
		return strings.Join(wrong, ", ")
	case r.Password != nil && !*r.Password:
		return "root has no credentials"
	default:
		return "root has MFA and no access key"
	}
}

func (c enrollCmd) summary(sys system, sum *enrollSummary) error {
	if c.JSON {
		return writeLine(sys.stdout, sum)
	}
	text := fmt.Sprintf("%s, %s: %d without MFA, %s set.", plural(int64(sum.Accounts), "account"), plural(int64(sum.Users), "user"),
		sum.WithoutMFA, plural(int64(sum.DeadlineSet), "deadline"))
	if sum.Recent > 0 {
		text += fmt.Sprintf(" %s checked within the last hour.", plural(int64(sum.Recent), "account"))
	}
	if sum.Left > 0 {
		text += fmt.Sprintf(" %s left to the sweep.", plural(int64(sum.Left), "account"))
	}
	return writeText(sys.stdout, text+"\n")
}
