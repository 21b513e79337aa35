// Package lambdatest runs the binary of a Lambda function as Lambda does: it is
// the Runtime API (AWS Lambda Developer Guide, "Using the Lambda runtime API for
// custom runtimes"), feeds the function events and returns what it answers.
package lambdatest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what to run. Only Binary is required.
type Options struct {
	Binary string            // path of "bootstrap"
	Env    map[string]string // what the function has configured; nothing else is handed down

	ARN     string        // of the function; default one of account 111111111111
	Timeout time.Duration // of an invocation, default 30 s
}

// Result is how an invocation ended.
type Result struct {
	RequestID string
	Response  []byte // where Error is nil
	Error     *Error
	Took      time.Duration // from the event's delivery to the answer
}

// Error is what the function answered in place of a response.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Function is a running function: one execution environment, which takes one
// invocation at a time.
type Function struct {
	// Init is the time from the start of the process to its first call of /next.
	Init time.Duration

	options Options
	cmd     *exec.Cmd
	server  *http.Server
	output  output

	turn sync.Mutex // held by the invocation that is going on
	next chan invocation
	done chan Result
	init chan time.Time // of the first call of /next
	fail chan Error     // of /init/error
	exit chan struct{}
	dead error // why it exited, once exit is closed
	runs int
}

type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	taken    chan time.Time
}

// output is what the process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Start starts a function and waits until it asks for its first event. Close
// must be called on the Function.
func Start(ctx context.Context, opt Options) (*Function, error) {
	if opt.ARN == "" {
		opt.ARN = "arn:aws:lambda:us-east-1:111111111111:function:rootguard"
	}
	if opt.Timeout == 0 {
		opt.Timeout = 30 * time.Second
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the Runtime API: %w", err)
	}
	f := &Function{
		options: opt,
		next:    make(chan invocation), done: make(chan Result, 1), init: make(chan time.Time, 1),
		fail: make(chan Error, 1), exit: make(chan struct{}),
	}
	f.server = &http.Server{Handler: f.routes(), ReadHeaderTimeout: time.Minute}
	go func() { _ = f.server.Serve(listener) }() // ends with Close

	f.cmd = exec.Command(opt.Binary) //nolint:gosec,noctx // the caller's own binary; it ends with Close
	f.cmd.Env = f.environment(listener.Addr().String())
	f.cmd.Stdout, f.cmd.Stderr = &f.output, &f.output
	started := time.Now()
	if err := f.cmd.Start(); err != nil {
		_ = f.server.Close()
		return nil, fmt.Errorf("starting %s: %w", opt.Binary, err)
	}
	go func() {
		f.dead = f.cmd.Wait()
		close(f.exit)
	}()
	select {
	case at := <-f.init:
		f.Init = at.Sub(started)
		return f, nil
	case e := <-f.fail:
		err = &e
	case <-f.exit:
		err = f.exited()
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = f.Close()
	return nil, fmt.Errorf("starting %s: %w", opt.Binary, err)
}

func (f *Function) exited() error {
	return fmt.Errorf("the process ended: %w\n%s", cmp.Or(f.dead, errors.New("exit status 0")), strings.TrimSpace(f.output.String()))
}

// environment is what Lambda sets (AWS Lambda Developer Guide, "Defined runtime
// environment variables"), and then what the function has configured.
func (f *Function) environment(api string) []string {
	parts := strings.Split(f.options.ARN, ":")
	env := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          api,
		"AWS_LAMBDA_FUNCTION_NAME":        parts[len(parts)-1],
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_LOG_FORMAT":           "JSON",
		"AWS_LAMBDA_LOG_LEVEL":            "INFO",
		"AWS_REGION":                      parts[3],
		"AWS_ACCESS_KEY_ID":               "ASIAFUNCTION",
		"AWS_SECRET_ACCESS_KEY":           "secret",
		"AWS_SESSION_TOKEN":               "token",
		"_HANDLER":                        "bootstrap",
		"LAMBDA_TASK_ROOT":                "/var/task",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
	}
	for k, v := range f.options.Env {
		env[k] = v
	}
	all := make([]string, 0, len(env))
	for k, v := range env {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return all
}

func (f *Function) routes() http.Handler {
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", f.serveNext)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		f.answer(w, r, func(body []byte) Result { return Result{Response: body} })
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		f.answer(w, r, func(body []byte) Result { return Result{Error: errorOf(body)} })
	})
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what came of it is shown
		select {
		case f.fail <- *errorOf(body):
		default:
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

func errorOf(body []byte) *Error {
	var e Error
	if err := json.Unmarshal(body, &e); err != nil {
		return &Error{Type: "malformed", Message: string(body)}
	}
	return &e
}

func (f *Function) serveNext(w http.ResponseWriter, r *http.Request) {
	select {
	case f.init <- time.Now():
	default:
	}
	select {
	case <-r.Context().Done():
	case inv := <-f.next:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", f.options.ARN)
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
		h.Set("Content-Type", "application/json")
		inv.taken <- time.Now()
		_, _ = w.Write(inv.event) // a function that is gone does not answer
	}
}

func (f *Function) answer(w http.ResponseWriter, r *http.Request, result func([]byte) Result) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	res := result(body)
	res.RequestID = r.PathValue("id")
	select {
	case f.done <- res:
		w.WriteHeader(http.StatusAccepted)
	default:
		w.WriteHeader(http.StatusBadRequest) // of an invocation that timed out
	}
}

// Invoke hands the function an event and waits for its answer. The error is not
// the function's: it says that the function ended or did not answer in time.
func (f *Function) Invoke(ctx context.Context, event []byte) (Result, error) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.runs++
	ctx, cancel := context.WithTimeout(ctx, f.options.Timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	inv := invocation{
		id:    fmt.Sprintf("00000000-0000-4000-8000-%012d", f.runs),
		event: event, deadline: deadline, taken: make(chan time.Time, 1),
	}
	select {
	case f.next <- inv:
	case <-f.exit:
		return Result{}, fmt.Errorf("invoking the function: %w", f.exited())
	case <-ctx.Done():
		return Result{}, fmt.Errorf("invoking the function: it took no event: %w", ctx.Err())
	}
	for {
		select {
		case res := <-f.done:
			if res.RequestID != inv.id {
				continue // of an earlier one, too late
			}
			res.Took = time.Since(<-inv.taken)
			return res, nil
		case <-f.exit:
			return Result{}, fmt.Errorf("invoking the function: %w", f.exited())
		case <-ctx.Done():
			return Result{}, fmt.Errorf("invoking the function: it did not answer: %w", ctx.Err())
		}
	}
}

// Output is all that the function printed so far.
func (f *Function) Output() string { return f.output.String() }

// Logs are the JSON objects among the lines that it printed. Those of the latest
// invocation may come through the pipe after its answer: they are waited for.
func (f *Function) Logs() []map[string]any {
	f.turn.Lock()
	runs := f.runs
	latest := fmt.Sprintf("00000000-0000-4000-8000-%012d", runs)
	f.turn.Unlock()
	for end := time.Now().Add(2 * time.Second); runs > 0 && !strings.Contains(f.Output(), latest) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	var logs []map[string]any
	for line := range strings.Lines(f.Output()) {
		var one map[string]any
		if json.Unmarshal([]byte(line), &one) == nil {
			logs = append(logs, one)
		}
	}
	return logs
}

// MaxRSS is the most memory that the process has had resident, in bytes
// (proc_pid_status(5), VmHWM).
func (f *Function) MaxRSS() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the process's memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the process's memory: %w", err)
			}
			return n << 10, nil
		}
	}
	return 0, errors.New("reading the process's memory: no VmHWM in its status")
}

// Kill ends the process at once, as the end of its machine would. Close is still
// to be called.
func (f *Function) Kill() { _ = f.cmd.Process.Kill() } // it may have ended

// Close ends the function as Lambda does an idle environment.
func (f *Function) Close() error {
	_ = f.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-f.exit:
	case <-time.After(2 * time.Second):
		_ = f.cmd.Process.Kill()
		<-f.exit
	}
	return f.server.Close()
}
