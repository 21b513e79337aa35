package cloudwatch_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/cloudwatch"
	"rootguard/internal/aws/cloudwatch/cloudwatchtest"
	"rootguard/internal/health"
)

func client(s *cloudwatchtest.Server) *cloudwatch.Client {
	return cloudwatch.New(func() *sdk.Client {
		return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &s.URL, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), RetryMaxAttempts: 1})
	})
}

func TestAlarms(t *testing.T) {
	s := cloudwatchtest.New(t)
	s.PageSize = 2
	for i := range 5 {
		s.Alarms[fmt.Sprintf("rootguard-%d", i)] = cloudwatchtest.Alarm{Disabled: i == 3, Actions: []string{"arn:t"}}
	}
	s.Alarms["rootguardian"] = cloudwatchtest.Alarm{}
	got, err := client(s).Alarms(t.Context(), "rootguard-")
	if err != nil || len(got) != 5 {
		t.Fatalf("%v, %v", got, err)
	}
	for i, a := range got {
		if diff := cmp.Diff(health.Alarm{Name: fmt.Sprintf("rootguard-%d", i), Enabled: i != 3, Actions: []string{"arn:t"}}, a); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	s.Refuse["DescribeAlarms"] = "AccessDeniedException"
	if _, err := client(s).Alarms(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("denied: %v", err)
	}
}

func TestMutes(t *testing.T) {
	s := cloudwatchtest.New(t)
	s.PageSize = 1
	c := client(s)
	if got, err := c.Mutes(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
	s.Mutes["all"] = cloudwatchtest.Mute{}
	s.Mutes["night"] = cloudwatchtest.Mute{Alarms: []string{"a", "b"}}
	s.Mutes["once"] = cloudwatchtest.Mute{Alarms: []string{"a"}, Expired: true}
	got, err := c.Mutes(t.Context())
	if diff := cmp.Diff([]health.Mute{{Name: "all"}, {Name: "night", Alarms: []string{"a", "b"}}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	s.Refuse["GetAlarmMuteRule"] = "ResourceNotFoundException" // deleted since it was listed
	if got, err := c.Mutes(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("deleted: %v, %v", got, err)
	}
	s.Refuse["GetAlarmMuteRule"] = "AccessDeniedException"
	if _, err := c.Mutes(t.Context()); err == nil || !strings.Contains(err.Error(), "all") {
		t.Errorf("denied: %v", err)
	}
	s.PageSize = 100
	for i := range 60 {
		s.Mutes[strconv.Itoa(i)] = cloudwatchtest.Mute{Alarms: []string{"x"}}
	}
	if _, err := c.Mutes(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 50") {
		t.Errorf("too many: %v", err)
	}
}

func TestSums(t *testing.T) {
	s := cloudwatchtest.New(t)
	s.PageSize = 7
	from := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	s.Data["Lost r2"] = []cloudwatchtest.Datapoint{{At: from.Add(-5 * time.Minute), Sum: 1}, {At: from, Sum: 2}, {At: from.Add(30 * time.Minute), Sum: 3}, {At: to, Sum: 4}}
	var metrics []health.Metric
	for i := range 10 {
		metrics = append(metrics, health.Metric{Namespace: "AWS/Events", Name: "Lost", Dimension: "RuleName", Value: fmt.Sprintf("r%d", i)})
	}
	got, err := client(s).Sums(t.Context(), metrics, from, to)
	if err != nil || !slices.Equal(got, []float64{0, 0, 5, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("%v, %v", got, err)
	}
	if s.Read() != 10 {
		t.Errorf("%d metrics were read", s.Read())
	}
	s.Internal["Lost r9"] = true
	if _, err := client(s).Sums(t.Context(), metrics, from, to); err == nil || !strings.Contains(err.Error(), "Lost of r9") {
		t.Errorf("one metric failed: %v", err)
	}
	s.Refuse["GetMetricData"] = "AccessDeniedException"
	if _, err := client(s).Sums(t.Context(), metrics, from, to); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("denied: %v", err)
	}
	if got, err := client(s).Sums(t.Context(), nil, from, to); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
}
