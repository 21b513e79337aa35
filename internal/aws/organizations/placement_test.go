package organizations_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/organizations"
	"rootguard/internal/aws/organizations/organizationstest"
)

const (
	workloads = "ou-a1b2-11111111"
	payments  = "ou-a1b2-22222222"
)

// placements are those of an organization with prod two units deep and dev in the root.
func placements(t *testing.T, named bool) (*organizationstest.Server, *organizations.Placements, *time.Time) {
	t.Helper()
	server := organizationstest.New(t)
	server.Set(map[string]string{prod: "prod", dev: "dev"})
	server.SetUnit(workloads, "Workloads", organizationstest.Root)
	server.SetUnit(payments, "Payments", workloads)
	server.Move(prod, payments)
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	client := sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
	return server, organizations.NewPlacements(client, named, func() time.Time { return now }), &now
}

func TestUnits(t *testing.T) {
	root := accountcheck.Unit{ID: organizationstest.Root}
	for _, named := range []bool{true, false} {
		server, p, now := placements(t, named)
		name := func(name string) string {
			if named {
				return name
			}
			return ""
		}
		units := func(account string, want ...accountcheck.Unit) {
			t.Helper()
			got, err := p.Units(t.Context(), account)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("account %s: %v (-want +got):\n%s", account, err, diff)
			}
		}
		units(prod, root, accountcheck.Unit{ID: workloads, Name: name("Workloads")}, accountcheck.Unit{ID: payments, Name: name("Payments")})
		units(dev, root)
		before := len(server.Placed())
		units(prod, root, accountcheck.Unit{ID: workloads, Name: name("Workloads")}, accountcheck.Unit{ID: payments, Name: name("Payments")})
		if more := server.Placed()[before:]; !slices.Equal(slices.Compact(slices.Clone(more)), []string{"ListParents " + prod}) {
			t.Errorf("units that are known are asked for again: %v", more)
		}
		if described := slices.Contains(server.Placed(), "DescribeOrganizationalUnit "+payments); described != named {
			t.Errorf("names are asked for: %v, want %v", described, named)
		}
		server.Move(prod, workloads) // an account is not asked about from memory
		units(prod, root, accountcheck.Unit{ID: workloads, Name: name("Workloads")})
		server.SetUnit(workloads, "Work", organizationstest.Root)
		*now = now.Add(time.Hour) // a unit is asked about again later
		units(prod, root, accountcheck.Unit{ID: workloads, Name: name("Work")})
	}
}

func TestTags(t *testing.T) {
	server, p, _ := placements(t, false)
	server.Tag(prod, "team", "payments", "stage", "")
	got, err := p.Tags(t.Context(), prod)
	if diff := cmp.Diff([]accountcheck.Tag{{Key: "team", Value: "payments"}, {Key: "stage"}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := p.Tags(t.Context(), dev); len(got) > 0 || err != nil {
		t.Errorf("without tags: %v, %v", got, err)
	}
}

// TestPlaceErrors holds which errors are an answer, which are about all accounts, and
// which are about one.
func TestPlaceErrors(t *testing.T) {
	kinds := []error{accountcheck.ErrNotMember, accountcheck.ErrThrottled, accountcheck.ErrDenied}
	for _, tt := range []struct {
		account, code string
		want          error // nil: of none of the kinds
	}{
		{unknown, "", accountcheck.ErrNotMember},
		{prod, "TooManyRequestsException", accountcheck.ErrThrottled},
		{prod, "AccessDeniedException", accountcheck.ErrDenied},
		{prod, "AWSOrganizationsNotInUseException", accountcheck.ErrDenied},
		{prod, "ServiceException", nil},
	} {
		server, p, _ := placements(t, true)
		server.Refuse(tt.code)
		_, units := p.Units(t.Context(), tt.account)
		_, tags := p.Tags(t.Context(), tt.account)
		for _, err := range []error{units, tags} {
			if err == nil {
				t.Errorf("%s: no error", tt.code)
			}
			for _, kind := range kinds {
				if errors.Is(err, kind) != errors.Is(tt.want, kind) {
					t.Errorf("%s: %v", tt.code, err)
				}
			}
		}
	}
	server, p, _ := placements(t, true)
	server.Move(prod, "ou-a1b2-gone0000") // a unit that is gone does not make the account gone
	if _, err := p.Units(t.Context(), prod); err == nil || errors.Is(err, accountcheck.ErrNotMember) {
		t.Errorf("a unit that is gone: %v", err)
	}
}
