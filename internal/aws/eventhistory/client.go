// Package eventhistory downloads the relevant part of CloudTrail's Event history:
// the management events of the last 90 days, which AWS keeps for every account
// and Region, also where there is no trail.
//
// LookupEvents takes one attribute at a time, answers newest first, and allows
// two requests a second for each account and Region (AWS CloudTrail API
// Reference, LookupEvents). So Questions has one for each event name that
// matters, which costs least where an account is busy, and a Spool keeps what
// came, to put it in the order of time and to go on where it was interrupted.
package eventhistory

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"rootguard/internal/aws/sdkcall"
)

const (
	// Span is how far back the Event history goes.
	Span = 90 * 24 * time.Hour
	// Rate is how many requests a second AWS allows for each account and Region.
	Rate = 2
	// pageSize is the most that LookupEvents returns.
	pageSize = 50
)

// Event is one event, as LookupEvents returns it.
type Event struct {
	ID     string
	Time   time.Time
	Record string // the CloudTrail record, JSON
}

// Page is one answer, newest event first.
type Page struct {
	Events []Event
	Next   string // token of the next page, "" on the last
}

// ErrToken is returned where a token is no longer valid.
var ErrToken = errors.New("the token of the next page is no longer valid")

// Client asks the Event history of one Region, at a bounded rate. It is for one
// goroutine at a time.
type Client struct {
	lookup sdkcall.Call[sdk.LookupEventsInput, sdk.LookupEventsOutput, sdk.Options]
	every  time.Duration
	now    func() time.Time
	pause  func(context.Context, time.Duration) error
	last   time.Time
}

// New returns a Client that makes so many requests a second; pause waits, or
// returns the context's error.
func New(api *sdk.Client, rate float64, now func() time.Time, pause func(context.Context, time.Duration) error) *Client {
	return &Client{lookup: api.LookupEvents, every: time.Duration(float64(time.Second) / rate), now: now, pause: pause}
}

// Page asks for a page of events within both times, which are inclusive and
// count whole seconds. It fails with ErrToken.
func (c *Client) Page(ctx context.Context, q Question, since, until time.Time, token string) (Page, error) {
	if wait := c.every - c.now().Sub(c.last); !c.last.IsZero() && wait > 0 {
		if err := c.pause(ctx, wait); err != nil {
			return Page{}, fmt.Errorf("asking for %s: %w", q, err)
		}
	}
	c.last = c.now()
	size := int32(pageSize)
	in := &sdk.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKey(q.Attribute), AttributeValue: &q.Value}},
		StartTime:        &since, EndTime: &until, MaxResults: &size,
	}
	if token != "" {
		in.NextToken = &token
	}
	out, err := c.lookup(ctx, in)
	c.last = c.now() // retries count too
	var invalid *types.InvalidNextTokenException
	switch {
	case errors.As(err, &invalid):
		return Page{}, fmt.Errorf("asking for %s: %w", q, ErrToken)
	case err != nil:
		return Page{}, fmt.Errorf("asking for %s: %w", q, err)
	}
	page := Page{Next: deref(out.NextToken), Events: make([]Event, 0, len(out.Events))}
	for i := range out.Events {
		e := &out.Events[i]
		ev := Event{ID: deref(e.EventId), Record: deref(e.CloudTrailEvent)}
		if e.EventTime != nil {
			ev.Time = e.EventTime.UTC()
		}
		page.Events = append(page.Events, ev)
	}
	return page, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
