package account_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/account"

	"rootguard/internal/aws/account"
	"rootguard/internal/aws/awsenv"
)

// TestEnabled asks a service that gives one Region a page.
func TestEnabled(t *testing.T) {
	all := []string{"us-east-1", "me-south-1", "eu-west-1"}
	denied := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			NextToken               string
			RegionOptStatusContains []string
			AccountID               string `json:"AccountId"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/listRegions" || in.AccountID != "" || !slices.Equal(in.RegionOptStatusContains, []string{"ENABLED", "ENABLED_BY_DEFAULT", "ENABLING"}) {
			t.Errorf("%s %+v: %v", r.URL.Path, in, err)
		}
		w.Header().Set("Content-Type", "application/json")
		if denied {
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		at := max(slices.Index(all, in.NextToken), 0)
		next := ""
		if at+1 < len(all) {
			next = `,"NextToken":"` + all[at+1] + `"`
		}
		_, _ = fmt.Fprintf(w, `{"Regions":[{"RegionName":%q,"RegionOptStatus":"ENABLED"}]%s}`, all[at], next)
	}))
	defer server.Close()
	c := account.New(func() *sdk.Client {
		return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), RetryMaxAttempts: 1})
	})
	if got, err := c.Enabled(t.Context()); err != nil || !slices.Equal(got, all) {
		t.Errorf("%v, %v", got, err)
	}
	denied = true
	if _, err := c.Enabled(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("denied: %v", err)
	}
}
