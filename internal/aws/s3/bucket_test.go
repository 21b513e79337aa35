package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/aws/smithy-go"

	"rootguard/internal/aws/s3"
)

// store is Amazon S3 with the buckets of two accounts. It refuses a bucket of
// another account where the caller names the one that it expects.
type store struct {
	mu      sync.Mutex
	owners  map[string]string // of buckets
	objects map[string]string
	fail    string // the method that is denied
	code    string // with which every call is refused: a HEAD without saying so
	status  int
}

const (
	mine   = "111122223333"
	theirs = "444455556666"
)

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, key, object := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	owner, there := s.owners[bucket]
	expected := r.Header.Get("X-Amz-Expected-Bucket-Owner")
	switch {
	case s.code != "" && r.Method == http.MethodHead:
		w.WriteHeader(s.status)
	case s.code != "":
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, "<Error><Code>"+s.code+"</Code><Message>refused</Message></Error>")
	case s.fail == r.Method, there && expected != "" && expected != owner:
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodPut && !object && there && owner != mine:
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `<Error><Code>BucketAlreadyExists</Code><Message>taken</Message></Error>`)
	case r.Method == http.MethodPut && !object && there:
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `<Error><Code>BucketAlreadyOwnedByYou</Code><Message>yours</Message></Error>`)
	case r.Method == http.MethodPut && !object:
		body, _ := io.ReadAll(r.Body)
		if region := strings.Contains(string(body), "<LocationConstraint>us-east-1"); region {
			w.WriteHeader(http.StatusBadRequest) // InvalidLocationConstraint
			return
		}
		s.owners[bucket] = mine
	case !there, expected == "":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		if r.Header.Get("X-Amz-Checksum-Sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.objects[key] = string(body)
	case object && s.objects[key] == "":
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestBucket(t *testing.T) {
	open := func(t *testing.T, s *store, name string, given bool) *s3.Bucket {
		t.Helper()
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		client := sdk.New(sdk.Options{
			Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
			}),
		})
		return s3.NewBucket(client, name, mine, "us-east-1", given)
	}
	fresh := func() *store {
		return &store{owners: map[string]string{"taken": theirs, "own": mine}, objects: map[string]string{}}
	}
	t.Run("makes it and puts into it", func(t *testing.T) {
		s := fresh()
		b := open(t, s, "new", false)
		for range 2 { // the second time it is there
			if err := b.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if has, err := b.Has(t.Context(), "rootguard/a.zip"); err != nil || has {
			t.Errorf("before: %v, %v", has, err)
		}
		if err := b.Put(t.Context(), "rootguard/a.zip", []byte("code")); err != nil {
			t.Fatal(err)
		}
		if has, err := b.Has(t.Context(), "rootguard/a.zip"); err != nil || !has || s.objects["rootguard/a.zip"] != "code" {
			t.Errorf("after: %v, %v, %v", has, err, s.objects)
		}
	})
	t.Run("takes one that is given", func(t *testing.T) {
		s := fresh()
		if err := open(t, s, "own", true).Prepare(t.Context()); err != nil {
			t.Error(err)
		}
		if err := open(t, s, "absent", true).Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no bucket absent") || s.owners["absent"] != "" {
			t.Errorf("one that is not there: %v, %v", err, s.owners)
		}
	})
	t.Run("never another account's", func(t *testing.T) {
		s := fresh()
		b := open(t, s, "taken", false)
		if err := b.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "bucket taken is of another account") {
			t.Errorf("%v", err)
		}
		if err := b.Put(t.Context(), "a.zip", []byte("code")); err == nil || len(s.objects) != 0 {
			t.Errorf("%v, %v", err, s.objects)
		}
	})
	for code, status := range map[string]int{
		"ExpiredToken": http.StatusBadRequest, "InvalidToken": http.StatusBadRequest, "AuthorizationHeaderMalformed": http.StatusBadRequest,
		"InvalidAccessKeyId": http.StatusForbidden, "RequestTimeTooSkewed": http.StatusForbidden, "AccessDenied": http.StatusForbidden,
	} {
		t.Run("a HEAD that says nothing: "+code, func(t *testing.T) {
			s := fresh()
			s.code, s.status = code, status
			b := open(t, s, "own", false)
			var api smithy.APIError
			err := b.Prepare(t.Context())
			if !errors.As(err, &api) || api.ErrorCode() != code || strings.Contains(err.Error(), "of another account") != (code == "AccessDenied") {
				t.Errorf("preparing: %v", err)
			}
			if _, err := b.Has(t.Context(), "a.zip"); status == http.StatusBadRequest && (!errors.As(err, &api) || api.ErrorCode() != code) {
				t.Errorf("checking a key: %v", err)
			}
		})
	}
	t.Run("denied", func(t *testing.T) {
		s := fresh()
		s.fail = http.MethodPut
		b := open(t, s, "new", false)
		if err := b.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "making bucket new") {
			t.Errorf("%v", err)
		}
		s.owners["new"] = mine
		if err := b.Put(t.Context(), "a.zip", []byte("code")); err == nil || !strings.Contains(err.Error(), "uploading s3://new/a.zip") {
			t.Errorf("%v", err)
		}
	})
}
