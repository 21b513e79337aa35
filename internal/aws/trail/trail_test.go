package trail

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/health"
)

// serve answers by call and trail: "GetTrailStatus arn:a".
func serve(t *testing.T, answers map[string]string) *Trails {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		call := target[strings.LastIndexByte(target, '.')+1:]
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for name, answer := range answers {
			of, arn, _ := strings.Cut(name, " ")
			if of == call && (arn == "" || strings.Contains(string(body), `"`+arn+`"`)) {
				if code, failed := strings.CutPrefix(answer, "!"); failed {
					w.WriteHeader(http.StatusBadRequest)
					answer = `{"__type":"` + code + `","message":"no"}`
				}
				_, _ = io.WriteString(w, answer)
				return
			}
		}
		t.Errorf("called %s with %s", call, body)
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(server.Close)
	return New(sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}))
}

func TestTrails(t *testing.T) {
	trails := serve(t, map[string]string{
		"DescribeTrails": `{"trailList":[
			{"Name":"a","TrailARN":"arn:a","HomeRegion":"us-east-1","IsMultiRegionTrail":true,"IncludeGlobalServiceEvents":true},
			{"Name":"b","TrailARN":"arn:b","HomeRegion":"eu-west-1","IsMultiRegionTrail":false,"IncludeGlobalServiceEvents":false},
			{"Name":"c","TrailARN":"arn:c","HomeRegion":"us-east-1","IsMultiRegionTrail":true,"IncludeGlobalServiceEvents":true}]}`,
		"GetTrailStatus arn:a":    `{"IsLogging":true,"LatestDeliveryError":"NoSuchBucket"}`,
		"GetEventSelectors arn:a": `{"AdvancedEventSelectors":[{"Name":"m","FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]}]}`,
		"GetTrailStatus arn:b":    `{"IsLogging":false}`,
		"GetEventSelectors arn:b": `{"EventSelectors":[{"ReadWriteType":"WriteOnly","IncludeManagementEvents":true}]}`,
		"GetTrailStatus arn:c":    `!AccessDeniedException`,
	})
	got, err := trails.Trails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []health.Trail{
		{Name: "a", ARN: "arn:a", HomeRegion: "us-east-1", MultiRegion: true, GlobalServiceEvents: true, Logging: true, DeliveryError: "NoSuchBucket", Reads: true, Writes: true},
		{Name: "b", ARN: "arn:b", HomeRegion: "eu-west-1", Writes: true},
		{Name: "c", ARN: "arn:c", HomeRegion: "us-east-1", MultiRegion: true, GlobalServiceEvents: true},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(health.Trail{}, "Err")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].Err != nil || got[1].Err != nil || got[2].Err == nil || !strings.Contains(got[2].Err.Error(), "status of trail c") {
		t.Errorf("errors: %v, %v, %v", got[0].Err, got[1].Err, got[2].Err)
	}
	denied := serve(t, map[string]string{"DescribeTrails": "!AccessDeniedException"})
	if _, err := denied.Trails(t.Context()); err == nil || !strings.Contains(err.Error(), "listing trails") {
		t.Errorf("denied: %v", err)
	}
	selectors := serve(t, map[string]string{
		"DescribeTrails": `{"trailList":[{"Name":"a","TrailARN":"arn:a","HomeRegion":"us-east-1"}]}`, "GetTrailStatus": `{"IsLogging":true}`, "GetEventSelectors": "!AccessDeniedException",
	})
	if got, err := selectors.Trails(t.Context()); err != nil || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "event selectors of trail a") {
		t.Errorf("selectors denied: %+v, %v", got, err)
	}
	// Of a trail of the organization, or of another Region, that may be as it is to be.
	for code, unseen := range map[string]bool{"AccessDeniedException": true, "TrailNotFoundException": true, "ThrottlingException": false} {
		trails := serve(t, map[string]string{
			"DescribeTrails": `{"trailList":[{"Name":"org","TrailARN":"arn:org","HomeRegion":"us-east-1","IsOrganizationTrail":true},{"Name":"far","TrailARN":"arn:far","HomeRegion":"eu-west-1"}]}`,
			"GetTrailStatus": `{"IsLogging":true}`, "GetEventSelectors": "!" + code,
		})
		got, err := trails.Trails(t.Context())
		if err != nil || len(got) != 2 {
			t.Fatal(got, err)
		}
		for _, one := range got {
			if !one.Logging || (one.Unseen != nil) != unseen || (one.Err != nil) == unseen {
				t.Errorf("%s: %+v", code, one)
			}
		}
	}
}

func TestManagement(t *testing.T) {
	no := false
	field := func(name string, equals ...string) types.AdvancedFieldSelector {
		return types.AdvancedFieldSelector{Field: &name, Equals: equals}
	}
	not := func(name string, values ...string) types.AdvancedFieldSelector {
		return types.AdvancedFieldSelector{Field: &name, NotEquals: values}
	}
	about := field("eventCategory", "Management")
	advanced := func(all ...[]types.AdvancedFieldSelector) []types.AdvancedEventSelector {
		var out []types.AdvancedEventSelector
		for _, fields := range all {
			out = append(out, types.AdvancedEventSelector{FieldSelectors: fields})
		}
		return out
	}
	type fields = []types.AdvancedFieldSelector
	for name, tc := range map[string]struct {
		basic         []types.EventSelector
		advanced      []types.AdvancedEventSelector
		reads, writes bool
		partly        string
	}{
		"none":                  {nil, nil, true, true, ""},
		"all":                   {[]types.EventSelector{{ReadWriteType: types.ReadWriteTypeAll}}, nil, true, true, ""},
		"not said":              {[]types.EventSelector{{}}, nil, true, true, ""},
		"reads":                 {[]types.EventSelector{{ReadWriteType: types.ReadWriteTypeReadOnly}}, nil, true, false, ""},
		"data events alone":     {[]types.EventSelector{{ReadWriteType: types.ReadWriteTypeAll, IncludeManagementEvents: &no}}, nil, false, false, ""},
		"two":                   {[]types.EventSelector{{ReadWriteType: types.ReadWriteTypeReadOnly}, {ReadWriteType: types.ReadWriteTypeWriteOnly}}, nil, true, true, ""},
		"advanced":              {nil, advanced(fields{about}), true, true, ""},
		"advanced data":         {nil, advanced(fields{field("eventCategory", "Data"), field("resources.type", "AWS::S3::Object")}), false, false, ""},
		"advanced writes":       {nil, advanced(fields{about, field("readOnly", "false")}), false, true, ""},
		"advanced without KMS":  {nil, advanced(fields{about, not("eventSource", "kms.amazonaws.com", "rdsdata.amazonaws.com")}), true, true, ""},
		"advanced without IAM":  {nil, advanced(fields{about, not("eventSource", "iam.amazonaws.com")}), true, true, "eventSource"},
		"advanced of S3 alone":  {nil, advanced(fields{about, field("eventSource", "s3.amazonaws.com")}), true, true, "eventSource"},
		"advanced by name":      {nil, advanced(fields{about, not("eventName", "ConsoleLogin")}), true, true, "eventName"},
		"advanced, and the all": {nil, advanced(fields{about, not("eventName", "ConsoleLogin")}, fields{about}), true, true, ""},
	} {
		reads, writes, partly := management(tc.basic, tc.advanced)
		if reads != tc.reads || writes != tc.writes || partly != tc.partly {
			t.Errorf("%s: reads %v, writes %v, partly %q", name, reads, writes, partly)
		}
	}
}
