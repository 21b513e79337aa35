package iam_test

import (
	"testing"

	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/iam/iamtest"
)

func TestAdminRole(t *testing.T) {
	const all = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	const some = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	server := iamtest.New(t, home)
	server.PageSize = 1
	server.Set(home, iamtest.Account{Roles: map[string]iamtest.Role{
		"managed":  {Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AdministratorAccess"}},
		"inline":   {Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Inline: map[string]string{"a": some, "b": all}},
		"little":   {Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Inline: map[string]string{"a": some}},
		"same":     {Attached: []string{"arn:aws:iam::" + home + ":policy/AdministratorAccess"}},
		"govcloud": {Attached: []string{"arn:aws-us-gov:iam::aws:policy/AdministratorAccess"}},
	}})
	c := iam.New(iamClient(server))
	for role, want := range map[string]bool{"managed": true, "inline": true, "govcloud": true, "little": false, "same": false, "none": false} {
		if got, err := c.AdminRole(t.Context(), role); err != nil || got != want {
			t.Errorf("AdminRole(%s) = %v, %v; want %v", role, got, err, want)
		}
	}
	server.Inject("ListAttachedRolePolicies", 1, "AccessDenied")
	if _, err := c.AdminRole(t.Context(), "managed"); err == nil {
		t.Error("a denied call is no error")
	}
}
