package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// observer gets each call of AWS, before it, with what it asks for, such as a
// *dynamodb.QueryInput. done is called after it.
type observer func(service, operation string, input any) (done func())

type observerKey struct{}

// observed is a context whose calls of AWS an observer gets.
func observed(ctx context.Context, o observer) context.Context {
	return context.WithValue(ctx, observerKey{}, o)
}

// observe has the clients of a configuration notify the context's observer, where it has one.
func observe(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("rootguardObserve",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput,
			middleware.Metadata, error) {
			if o, ok := ctx.Value(observerKey{}).(observer); ok {
				defer o(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), in.Parameters)()
			}
			return next.HandleInitialize(ctx, in) //nolint:wrapcheck // the SDK's, for the SDK
		}), middleware.After)
}

// waitAfter is how long a call takes until the terminal says what is waited for.
const waitAfter = 3 * time.Second

// waiting says on a terminal which call of AWS is waited for, and since when.
type waiting struct {
	line progressLine
	now  func() time.Time

	mu    sync.Mutex
	calls map[int]call
	next  int
}

type call struct {
	name  string
	since time.Time
}

// begin is an observer.
func (w *waiting) begin(service, operation string, _ any) (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls = map[int]call{}
	}
	id := w.next
	w.next++
	w.calls[id] = call{service + " " + operation, w.now()}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.calls, id)
	}
}

// draw shows the oldest call that takes long, or takes the line away.
func (w *waiting) draw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var oldest call
	for _, c := range w.calls {
		if oldest.name == "" || c.since.Before(oldest.since) {
			oldest = c
		}
	}
	took := w.now().Sub(oldest.since)
	if oldest.name == "" || took < waitAfter {
		w.line.clear()
		return
	}
	text := fmt.Sprintf("waiting for AWS: %s (%s)", oldest.name, took.Truncate(time.Second))
	if n := len(w.calls) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	w.line.draw(text)
}

// run draws until the context is over.
func (w *waiting) run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			w.mu.Lock()
			defer w.mu.Unlock()
			w.line.clear()
			return
		case <-ticker.C:
			w.draw()
		}
	}
}

// watchCalls has the terminal say what is waited for until stop is called. Of what
// is no terminal nothing changes.
func watchCalls(ctx context.Context, sys system) (watched context.Context, with system, stop func()) {
	if !sys.redraws() {
		return ctx, sys, func() {}
	}
	sys.stderr = &oneAtATime{w: sys.stderr}
	w := &waiting{line: progressLine{sys: sys}, now: sys.now}
	drawing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() { w.run(drawing, time.Second) })
	return observed(ctx, w.begin), sys, func() {
		cancel()
		done.Wait()
	}
}

// oneAtATime is a writer for several goroutines.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p) //nolint:wrapcheck // a writer's
}
