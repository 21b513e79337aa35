package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/deploy"
	"rootguard/internal/lambdatest"
	"rootguard/internal/testenv"
)

// snapshotBinary names the variable with a release's binary to test, in place of one
// that is built here as .goreleaser.yaml has it.
const snapshotBinary = "ROOTGUARD_SNAPSHOT"

// previousBinary names the variable with the binary of the release before.
const previousBinary = "ROOTGUARD_PREVIOUS"

// regionsOfRelease are those with a forwarder.
const regionsOfRelease = "eu-north-1,us-east-2"

// release is a release's binary, and what it carries.
type release struct {
	version string
	binary  string
	bundle  string   // folder
	args    []string // with which the binary deploys another bundle than its own
}

// releases are this version's and one before, made once. The one before, unless the
// environment names one, is the same binary with another bundle: to build a second one
// takes as long as all the rest.
type releases struct {
	dir           string
	now, previous release
}

var (
	makeReleases sync.Once
	madeReleases *releases
	releasesErr  error
)

// ofReleases makes the binaries, once.
func ofReleases(t *testing.T) *releases {
	t.Helper()
	if os.Getenv(enabled) == "" {
		t.Skipf("skipped: it builds a release and deploys it to an emulated AWS; run make e2e, which sets %s", enabled)
	}
	makeReleases.Do(func() { madeReleases, releasesErr = newReleases(testenv.Root(t)) })
	if releasesErr != nil {
		t.Fatal(releasesErr)
	}
	return madeReleases
}

func newReleases(root string) (*releases, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	r := &releases{dir: filepath.Join(root, ".build", "e2e", "release")}
	if err := os.MkdirAll(r.dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of the releases: %w", err)
	}
	r.now = release{binary: os.Getenv(snapshotBinary), bundle: filepath.Join(r.dir, "bundle")}
	r.previous = release{version: "0.9.0", bundle: filepath.Join(r.dir, "bundle-0.9.0")}
	r.previous.args = []string{"--assets", r.previous.bundle}
	if r.now.binary == "" {
		r.now.version, r.now.binary = "1.0.0", filepath.Join(r.dir, "rootguard-1.0.0")
		if err := command(ctx, root, "go", "run", "./infra", "-bundle", r.now.bundle, "-version", r.now.version); err != nil {
			return nil, err
		}
		if err := r.now.build(ctx, root); err != nil {
			return nil, err
		}
	} else if err := r.now.unpack(ctx); err != nil {
		return nil, err
	}
	if binary := os.Getenv(previousBinary); binary != "" {
		r.previous = release{binary: binary, bundle: r.previous.bundle}
		return r, r.previous.unpack(ctx)
	}
	if err := r.previous.from(r.now.bundle); err != nil {
		return nil, fmt.Errorf("making the release before: %w", err)
	}
	r.previous.binary = r.now.binary
	return r, nil
}

func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// build builds the binary that carries the bundle, by the flags of .goreleaser.yaml.
// The bundle stays where it is: an overlay has the compiler find it where it embeds it from.
func (r *release) build(ctx context.Context, root string) error {
	files, err := os.ReadDir(r.bundle)
	if err != nil {
		return fmt.Errorf("reading the bundle: %w", err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, f := range files {
		overlay.Replace[filepath.Join(root, "internal", "deploy", "assets", "files", f.Name())] = filepath.Join(r.bundle, f.Name())
	}
	// What a bundle built there before would add.
	left, err := filepath.Glob(filepath.Join(root, "internal", "deploy", "assets", "files", "*"))
	if err != nil {
		return fmt.Errorf("finding another bundle: %w", err)
	}
	for _, f := range left {
		if overlay.Replace[f] == "" {
			overlay.Replace[f] = ""
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}
	if err := os.WriteFile(r.bundle+".overlay.json", text, 0o600); err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}
	return command(ctx, root, "go", "build", "-trimpath", "-tags=bundle", "-ldflags=-s -w -buildid=", "-overlay", r.bundle+".overlay.json", "-o", r.binary, "./internal/cmd/rootguard")
}

// archiveFile is the name of a function's archive, see deploy.ArchiveFile.
var archiveFile = regexp.MustCompile(`^([a-z]+)-[0-9a-f]{32}\.zip$`)

// unpack has a binary write its bundle, and finds out its version.
func (r *release) unpack(ctx context.Context) error {
	if err := os.RemoveAll(r.bundle); err != nil {
		return fmt.Errorf("removing the bundle of before: %w", err)
	}
	out, err := exec.CommandContext(ctx, r.binary, "deploy", "ops@example.com", "--template-only", r.bundle).CombinedOutput()
	if err != nil {
		return fmt.Errorf("having %s write its templates: %w\n%s", r.binary, err, out)
	}
	m := regexp.MustCompile(`of rootguard (\S+) to `).FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("%s does not say its version: %s", r.binary, out)
	}
	r.version = string(m[1])
	if err := os.Remove(filepath.Join(r.bundle, "parameters.json")); err != nil {
		return fmt.Errorf("removing the parameters: %w", err)
	}
	manifest := deploy.Manifest{Version: r.version, Prefix: "rootguard", Partition: "aws"}
	files, err := os.ReadDir(r.bundle)
	if err != nil {
		return fmt.Errorf("reading the bundle: %w", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(r.bundle, f.Name()))
		if err != nil {
			return fmt.Errorf("reading the bundle: %w", err)
		}
		if name, ok := strings.CutSuffix(f.Name(), ".template.json"); ok {
			manifest.Templates = append(manifest.Templates, deploy.File{Name: name, File: f.Name(), SHA256: deploy.Sum(data)})
		} else if m := archiveFile.FindStringSubmatch(f.Name()); m != nil {
			manifest.Archives = append(manifest.Archives, deploy.Archive{Name: m[1], File: f.Name(), SHA256: deploy.Sum(data)})
		}
	}
	return writeManifest(r.bundle, manifest)
}

func writeManifest(dir string, m deploy.Manifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, deploy.ManifestFile), text, 0o600)
}

// from makes the bundle of an earlier release of one: other code of each function, a
// rule less, and another description of the others.
func (r *release) from(bundle string) error {
	text, err := os.ReadFile(filepath.Join(bundle, deploy.ManifestFile))
	if err != nil {
		return err
	}
	var m deploy.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(r.bundle), os.MkdirAll(r.bundle, 0o750)); err != nil {
		return err
	}
	m.Version = r.version
	renamed := []string{}
	for i, a := range m.Archives {
		data, err := otherCode(filepath.Join(bundle, a.File), r.version)
		if err != nil {
			return err
		}
		m.Archives[i].SHA256 = deploy.Sum(data)
		m.Archives[i].File = deploy.ArchiveFile(a.Name, m.Archives[i].SHA256)
		renamed = append(renamed, a.File, m.Archives[i].File)
		if err := os.WriteFile(filepath.Join(r.bundle, m.Archives[i].File), data, 0o600); err != nil {
			return err
		}
	}
	for i, f := range m.Templates {
		data, err := os.ReadFile(filepath.Join(bundle, f.File))
		if err != nil {
			return err
		}
		if data, err = earlier(strings.NewReplacer(renamed...).Replace(string(data))); err != nil {
			return fmt.Errorf("template %s: %w", f.Name, err)
		}
		m.Templates[i].SHA256 = deploy.Sum(data)
		if err := os.WriteFile(filepath.Join(r.bundle, f.File), data, 0o600); err != nil {
			return err
		}
	}
	return writeManifest(r.bundle, m)
}

// otherCode is an archive with a file more.
func otherCode(file, text string) ([]byte, error) {
	from, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, f := range from.File {
		if err := to.Copy(f); err != nil {
			return nil, err
		}
	}
	w, err := to.Create("version")
	if err != nil {
		return nil, err
	}
	_, err = w.Write([]byte(text))
	return out.Bytes(), errors.Join(err, to.Close())
}

// earlier is a template as it was: without a rule about the guard's own muting, and
// with another description of the others.
func earlier(text string) ([]byte, error) {
	var template map[string]any
	if err := json.Unmarshal([]byte(text), &template); err != nil {
		return nil, err
	}
	resources := template["Resources"].(map[string]any)
	for _, v := range resources {
		r := v.(map[string]any)
		if properties, _ := r["Properties"].(map[string]any); r["Type"] == "AWS::Events::Rule" {
			properties["Description"] = "of before"
		}
	}
	delete(resources, "GuardMutedRule") // it calls no function: no permission refers to it
	return json.Marshal(template)
}

// emulation is an AWS of its own for the binaries: moto, whose CloudFormation is
// corrected, behind a gate.
type emulation struct {
	moto *moto
	gate *gatekeeper
}

// emulate starts one, until the test ends.
func emulate(t *testing.T, root, name string) *emulation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := startMoto(ctx, filepath.Join(root, ".build", "e2e", name+".log"), "PYTHONPATH="+filepath.Join(root, "internal", "e2e", "testdata", "moto"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.stop(); err != nil {
			t.Errorf("stopping the emulation: %v", err)
		}
	})
	return &emulation{m, newGatekeeper(t, m.url)}
}

// reset has nothing be there.
func (e *emulation) reset(t *testing.T) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.moto.url+"/moto-api/reset", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("resetting the emulation: %v", err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Fatalf("resetting the emulation: %s", res.Status)
	}
	e.gate.refuse("", 0)
}

// gatekeeper keeps the calls that go through, and can refuse one.
type gatekeeper struct {
	url string

	mu      sync.Mutex
	calls   []*call        // all that there were
	counts  map[string]int // by operation, since refuse
	refused string         // operation of the call to refuse, and which of these
	nth     int
}

func newGatekeeper(t *testing.T, to string) *gatekeeper {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	g := &gatekeeper{counts: map[string]int{}}
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := readCall(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if g.admit(c) {
			if isAccountSettings(c) { // which moto does not know
				_ = json.NewEncoder(w).Encode(accountSettings)
				return
			}
			through.ServeHTTP(w, r)
			return
		}
		const code, message = "Refused", "a fault that the test asked for"
		if c.service == "s3" { // whose errors have a form of their own
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message) // a caller that is gone does not read
			return
		}
		refuse(w, c, http.StatusBadRequest, code, message)
	}))
	// A host of "localhost", by which S3's clients and moto know no bucket in it.
	if server.Listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "localhost:0"); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	g.url = fmt.Sprintf("http://localhost:%d", server.Listener.Addr().(*net.TCPAddr).Port)
	return g
}

// isAccountSettings reports whether a call is GetAccountSettings of AWS Lambda.
func isAccountSettings(c *call) bool {
	return c.service == "lambda" && strings.Contains(c.path, "/account-settings")
}

// accountSettings are those of an account (AWS Lambda API Reference, GetAccountSettings).
var accountSettings = map[string]any{"AccountLimit": map[string]int{"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}}

// refuse has the nth call of an operation be refused, once; 0 none. It counts
// from here.
func (g *gatekeeper) refuse(operation string, nth int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts, g.refused, g.nth = map[string]int{}, operation, nth
}

func (g *gatekeeper) admit(c *call) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, c)
	of := operation(c)
	g.counts[of]++
	return of != g.refused || g.counts[of] != g.nth
}

// taken are all calls, and how many there were of each since the last refuse.
func (g *gatekeeper) taken() ([]*call, map[string]int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls), maps.Clone(g.counts)
}

// operation is what a call does, and where.
func operation(c *call) string { return c.service + ":" + actionOf(c) + " in " + c.region }

// actionOf is the operation's name: of S3 by the method and what it is about (Amazon
// S3 API Reference).
func actionOf(c *call) string {
	if isAccountSettings(c) {
		return "GetAccountSettings"
	}
	if c.service != "s3" {
		return c.action
	}
	kind := "Object"
	if !strings.Contains(strings.Trim(c.path, "/"), "/") {
		kind = "Bucket"
	}
	verb := map[string]string{http.MethodHead: "Head", http.MethodPut: "Put", http.MethodGet: "Get"}[c.method]
	if verb == "Put" && kind == "Bucket" {
		verb = "Create"
	}
	return verb + kind
}

// run runs a release's binary alone in an empty folder: with no other program to
// find, no configuration, and credentials that are none.
func (r *release) run(t *testing.T, endpoint string, args ...string) ran {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "rootguard")
	if err := os.Link(r.binary, binary); err != nil {
		data, err := os.ReadFile(r.binary)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(binary, data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), binary, slices.Concat(args, r.args)...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "AWS_ENDPOINT_URL=" + endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatalf("running rootguard %s: %v", strings.Join(args, " "), err)
	}
	return ran{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// wants fails the test where a run ended otherwise, or did not say so.
func (r ran) wants(t *testing.T, what string, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("%s: exit code %d, want %d\n%s%s", what, r.code, code, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("%s does not print %q:\n%s%s", what, text, r.stdout, r.stderr)
		}
	}
}

// TestRelease is a release's first day and its last: from nothing but the binary it
// is deployed, alerts, is upgraded, alerts, is found well and is removed.
func TestRelease(t *testing.T) {
	r := ofReleases(t)
	root := testenv.Root(t)
	e := emulate(t, root, "release")
	var times []string
	begun := time.Now()
	lap := func(what string) {
		times = append(times, fmt.Sprintf("%s %.1f s", what, time.Since(begun).Seconds()))
		begun = time.Now()
	}
	r.previous.run(t, e.gate.url, "deploy", "ops@example.com", "--escalation", "ciso@example.com", "--encrypt", "--regions", regionsOfRelease, "--yes", "--no-wait").
		wants(t, "deploying", 0, "account "+sharedAccount, "rootguard in us-east-1: new, ", "deployed rootguard "+r.previous.version+": 3 stacks")
	lap("deploy")

	w, d := e.world(t, root, r)
	c := e.cloud(t, w, d)
	c.handled(c.deliver(c.rootSignIn("111122223333", "No", "Success", nil)))
	c.wantAlerts("root.signin.no_mfa critical 111122223333")
	if n := len(c.escalated()); n != 1 {
		t.Errorf("%d alerts for escalations, want 1", n)
	}
	d.runs(t, &r.previous)
	lap("alert")

	r.now.run(t, e.gate.url, "upgrade", "--dry-run").wants(t, "upgrading dry", 0, "would update stack rootguard in us-east-1", "nothing was changed")
	changes := []string{"+ AWS::Events::Rule GuardMutedRule", "~ AWS::Events::Rule "}
	if os.Getenv(previousBinary) != "" {
		changes = nil // as there are between two releases
	}
	r.now.run(t, e.gate.url, "upgrade", "--yes", "--no-wait").
		wants(t, "upgrading", 0, append(changes, "~ AWS::Lambda::Function ", "deployed rootguard "+r.now.version+": 3 stacks")...)
	lap("upgrade")
	table := d.stacks[region].outputs["TableName"]
	if err := d.refresh(t.Context(), e.moto.log.Name()); err != nil {
		t.Fatal(err)
	}
	if is := d.stacks[region].outputs["TableName"]; is != table {
		t.Fatalf("the upgrade made another table: %s, was %s", is, table)
	}
	d.runs(t, &r.now)
	c = e.cloud(t, w, d)
	c.handled(c.deliver(c.rootSignIn("222233334444", "No", "Success", nil)))
	c.wantAlerts("root.signin.no_mfa critical 222233334444")
	if got := c.alerts()[0].Version; !strings.HasPrefix(got, "v"+r.now.version) {
		t.Errorf("the alert is of version %q, want that of %s", got, r.now.version)
	}
	lap("alert")

	// With a trail, and a sweep run, there is nothing to find fault with.
	if err := d.protect(t.Context(), "rootguard-assets-"+sharedAccount+"-"+region); err != nil {
		t.Fatal(err)
	}
	c.handled(c.tick(time.Now()))
	c.fault(fault{service: "lambda", times: always, only: isAccountSettings, reply: func(*call) any { return accountSettings }})
	again := r.now.run(t, c.world.proxy.url, "deploy", "--yes", "--wait", "1s")
	again.wants(t, "deploying again", 4, "nothing to change: this version is deployed with these settings")
	for _, m := range warned.FindAllStringSubmatch(again.stdout, -1) {
		if !slices.Contains([]string{"receivers.alerts", "receivers.escalation", "receivers.second"}, m[1]) {
			t.Errorf("doctor warns about %s:\n%s", m[1], again.stdout)
		}
	}
	lap("doctor")

	r.now.run(t, e.gate.url, "destroy", "--yes").wants(t, "destroying", 0, "keeps table "+table, "removed 3 stacks")
	lap("destroy")
	if left := d.there(t); len(left) > 0 {
		t.Errorf("after the removal there are still %v", left)
	}
	if _, err := sdkdynamodb.NewFromConfig(d.aws).DescribeTable(t.Context(), &sdkdynamodb.DescribeTableInput{TableName: &table}); err != nil {
		t.Errorf("the table is gone: %v", err)
	}
	r.now.run(t, e.gate.url, "deploy", "ops@example.com", "--existing-table", table, "--regions", regionsOfRelease, "--yes", "--no-wait").
		wants(t, "deploying over the table", 0, "deployed rootguard "+r.now.version)
	lap("deploy again")
	t.Logf("%s", strings.Join(times, ", "))
}

// warned is a check of which doctor warns: of the receivers, since the test's queues
// are none that the guard knows, and moto has no data protection policy of a topic.
var warned = regexp.MustCompile(`(?m)^ +! (\S+)  warning$`)

// world is what the harness needs of an emulation.
func (e *emulation) world(t *testing.T, root string, r *releases) (*world, *deployment) {
	t.Helper()
	w := &world{root: root, dir: r.dir, moto: e.moto, command: r.now.binary, binaries: map[string]string{}}
	w.roles = &roles{callers: map[string]*principal{}, granted: map[grant]bool{}}
	var err error
	if w.proxy, err = startProxy(e.moto.url, w.roles); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.proxy.stop)
	d := &deployment{account: sharedAccount, dir: r.dir, stacks: map[string]*stack{}}
	d.aws = aws.Config{
		Region: region, BaseEndpoint: &e.moto.url, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	if err := d.refresh(t.Context(), e.moto.log.Name()); err != nil {
		t.Fatal(err)
	}
	return w, d
}

// cloud drives a deployment, with nothing in its table and its queues.
func (e *emulation) cloud(t *testing.T, w *world, d *deployment) *cloud {
	t.Helper()
	c := &cloud{t: t, ctx: t.Context(), world: w, d: d, clients: d.clients(), idle: map[string][]*lambdatest.Function{}, barredOnes: map[string]bool{}, principals: map[string]*principal{}}
	c.store = dynamodb.New(c.dynamodb, c.output("TableName"), time.Now)
	w.proxy.reset()
	if err := c.operates(); err != nil {
		t.Fatal(err)
	}
	c.empty()
	c.corrected()
	t.Cleanup(func() {
		for _, f := range c.all {
			if t.Failed() {
				t.Logf("the function printed:\n%s", f.Output())
			}
			if err := f.Close(); err != nil {
				t.Errorf("closing a function: %v", err)
			}
		}
		for _, why := range w.roles.taken() {
			t.Error(why)
		}
	})
	return c
}

// refresh reads what is deployed, and makes what moto skipped.
func (d *deployment) refresh(ctx context.Context, motoLog string) error {
	d.stacks = map[string]*stack{}
	for _, at := range append(strings.Split(regionsOfRelease, ","), region) {
		s := &stack{name: "rootguard", region: at}
		if at != region {
			s.name += "-forward-" + at
		}
		body, err := cloudformation.NewFromConfig(d.in(at)).GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &s.name})
		if err != nil {
			return fmt.Errorf("reading the template of %s: %w", s.name, err)
		}
		if err := d.readTemplate(ctx, s, []byte(aws.ToString(body.TemplateBody))); err != nil {
			return err
		}
		if err := d.complete(ctx, s, motoLog); err != nil {
			return fmt.Errorf("completing stack %s: %w", s.name, err)
		}
		d.stacks[at] = s
	}
	var err error
	if d.alerts, err = d.listen(ctx, "e2e-alerts", "TopicArn"); err != nil {
		return err
	}
	d.escalations, err = d.listen(ctx, "e2e-escalations", "")
	return err
}

// runs holds that the functions have the code of a release.
func (d *deployment) runs(t *testing.T, r *release) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.bundle, "*.zip"))
	if err != nil || len(files) == 0 {
		t.Fatalf("finding the archives of %s: %v", r.version, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := "rootguard-" + archiveFile.FindStringSubmatch(filepath.Base(file))[1]
		out, err := lambda.NewFromConfig(d.aws).GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &name})
		if err != nil {
			t.Fatalf("reading function %s: %v", name, err)
		}
		if want := sum(t, data); *out.CodeSha256 != want {
			t.Errorf("function %s has the code %s, want %s, that of %s", name, *out.CodeSha256, want, r.version)
		}
	}
}

// sum is a SHA-256 as Lambda writes it.
func sum(t *testing.T, data []byte) string {
	t.Helper()
	var raw []byte
	if _, err := fmt.Sscanf(deploy.Sum(data), "%x", &raw); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// there are the stacks that are there, with their status.
func (d *deployment) there(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, at := range append(strings.Split(regionsOfRelease, ","), region) {
		out, err := cloudformation.NewFromConfig(d.in(at)).DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{})
		if err != nil {
			t.Fatalf("listing the stacks in %s: %v", at, err)
		}
		for i := range out.Stacks {
			all[at+" "+*out.Stacks[i].StackName] = string(out.Stacks[i].StackStatus)
		}
	}
	return all
}

// TestReleaseResumes refuses the first call of each kind and Region of a deployment, an
// upgrade, if the deployment has none of it, and a removal, one after the other: the command fails and says why, and, run
// again, ends where it would have. Package deploy's own tests refuse each call.
func TestReleaseResumes(t *testing.T) {
	r := ofReleases(t)
	e := emulate(t, testenv.Root(t), "release-resumes")
	d := &deployment{account: sharedAccount, aws: aws.Config{
		Region: region, BaseEndpoint: &e.moto.url, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}}
	first := []string{"deploy", "ops@example.com", "--encrypt", "--regions", "us-east-2", "--yes", "--no-wait"}
	deployed := func(t *testing.T) {
		t.Helper()
		r.previous.run(t, e.gate.url, first...).wants(t, "deploying", 0)
	}
	tried := map[string]bool{}
	for _, tt := range []struct {
		name   string
		before func(t *testing.T)
		binary *release
		args   []string
	}{
		{"deploy", func(*testing.T) {}, &r.now, first},
		{"upgrade", deployed, &r.now, []string{"upgrade", "--yes", "--no-wait"}},
		{"destroy", deployed, &r.now, []string{"destroy", "--yes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.reset(t)
			tt.before(t)
			e.gate.refuse("", 0)
			tt.binary.run(t, e.gate.url, tt.args...).wants(t, tt.name, 0)
			_, counts := e.gate.taken()
			want := d.state(t)
			refused := 0
			for _, of := range slices.Sorted(maps.Keys(counts)) {
				if tt.name == "upgrade" && tried[of] { // by the same code as in a deployment
					continue
				}
				tried[of] = true
				refused++
				e.reset(t)
				tt.before(t)
				e.gate.refuse(of, 1)
				first := tt.binary.run(t, e.gate.url, tt.args...)
				switch {
				case strings.HasPrefix(of, "events:TestEventPattern"):
					first.wants(t, of, 0, "rules were not checked: Refused")
				case strings.HasPrefix(of, "events:ListRules"), strings.HasPrefix(of, "lambda:GetAccountSettings"):
					first.wants(t, of, 0, "is not known: Refused")
				case strings.HasPrefix(of, "dynamodb:"):
					first.wants(t, of, 0, "warning: the ", "deployed rootguard ")
				case strings.HasPrefix(of, "s3:Head"): // whose answers have no text
					first.wants(t, of, 1, "rootguard: checking ")
				case first.code != 1 || !strings.Contains(first.stderr, "a fault that the test asked for"):
					t.Errorf("%s was refused, and it ended with exit code %d:\n%s%s", of, first.code, first.stdout, first.stderr)
				}
				e.gate.refuse("", 0)
				again := tt.binary.run(t, e.gate.url, tt.args...)
				again.wants(t, fmt.Sprintf("%s again after %s was refused", tt.name, of), 0)
				if diff := cmp.Diff(want, d.state(t)); diff != "" {
					t.Errorf("after %s was refused it ended otherwise (-want +got):\n%s\nfirst:\n%s%s\nthen:\n%s%s", of, diff, first.stdout, first.stderr, again.stdout, again.stderr)
				}
			}
			t.Logf("%d calls were refused, one at a time", refused)
		})
	}
	e.permitted(t, &r.now)
}

// unusedByRelease are actions of the policy that no call of TestReleaseResumes needs.
var unusedByRelease = map[string]string{
	"cloudformation:DescribeStackEvents": "of a stack that fails: moto's never do",
	"cloudformation:ListStackResources":  waiting,
	"sns:GetTopicAttributes":             waiting,
	"sns:ListSubscriptionsByTopic":       waiting,
	"sns:Publish":                        "to notify an address that is taken off: the cases change none",
}

const waiting = "to wait until the receivers confirm: the cases do not wait"

// permitted holds the calls that there were to the policy that the command prints for
// who deploys: each is allowed, and what is allowed to the command itself is used.
func (e *emulation) permitted(t *testing.T, r *release) {
	t.Helper()
	printed := r.run(t, "", "deploy", "--policy-of", sharedAccount)
	printed.wants(t, "printing the policy", 0)
	statements, err := readPolicy([]byte(printed.stdout))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	calls, _ := e.gate.taken()
	for _, c := range calls {
		if c.service == "sts" { // no one needs a permission to ask who they are
			continue
		}
		need := c.deploys(t)
		if decide(statements, need) == nil {
			t.Errorf("the policy does not allow %s on %s", need.action, need.resource)
		}
		used[need.action] = true
	}
	for _, s := range statements {
		if !slices.Contains([]string{"Stacks", "Bucket", "Archives", "Preflight", "Announce", "Receivers"}, s.Sid) {
			continue // CloudFormation's: see the policy's own test
		}
		for _, action := range s.Action {
			if _, known := unusedByRelease[action]; used[action] == known {
				t.Errorf("%s: %s is used: %v, and unusedByRelease has it: %v", s.Sid, action, used[action], known)
			}
		}
	}
}

// deploys is what a call of the command needs (Service Authorization Reference).
func (c *call) deploys(t *testing.T) access {
	t.Helper()
	a := access{action: c.service + ":" + actionOf(c), resource: "*"}
	switch c.service {
	case "cloudformation":
		if a.resource = c.form.Get("StackName"); !strings.HasPrefix(a.resource, "arn:") {
			a.resource = arnIn("cloudformation", c.region, sharedAccount, "stack/"+a.resource+"/id")
		}
	case "s3":
		a.resource = "arn:aws:s3:::" + strings.Trim(c.path, "/")
		a.action = map[string]string{"HeadBucket": "s3:ListBucket", "GetBucket": "s3:ListBucket", "CreateBucket": "s3:CreateBucket", "HeadObject": "s3:GetObject", "PutObject": "s3:PutObject"}[actionOf(c)]
	case "sns":
		a.resource = c.form.Get("TopicArn")
	case "dynamodb":
		a.resource = arnIn("dynamodb", c.region, sharedAccount, "table/rootguard-TABLE")
	case "events", "lambda":
	default:
		t.Errorf("the command calls %s, whose permission is not known here", operation(c))
	}
	return a
}

// state is what is deployed, but for the parts of names that chance chose.
func (d *deployment) state(t *testing.T) []string {
	t.Helper()
	var all []string
	for stack, status := range d.there(t) {
		// A stack that was made at once, and then updated, is the same.
		all = append(all, stack+" "+strings.NewReplacer("CREATE_COMPLETE", "there", "UPDATE_COMPLETE", "there").Replace(status))
		at, name, _ := strings.Cut(stack, " ")
		made, err := cloudformation.NewFromConfig(d.in(at)).DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: &name})
		if err != nil {
			t.Fatalf("listing what stack %s made: %v", name, err)
		}
		for i := range made.StackResources {
			all = append(all, stack+" "+aws.ToString(made.StackResources[i].LogicalResourceId))
		}
		about, err := cloudformation.NewFromConfig(d.in(at)).DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name})
		if err != nil {
			t.Fatalf("describing stack %s: %v", name, err)
		}
		for _, p := range about.Stacks[0].Parameters {
			all = append(all, stack+" "+*p.ParameterKey+"="+*p.ParameterValue)
		}
	}
	functions, err := lambda.NewFromConfig(d.aws).ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	if err != nil {
		t.Fatalf("listing the functions: %v", err)
	}
	for i := range functions.Functions {
		all = append(all, *functions.Functions[i].FunctionName+" "+*functions.Functions[i].CodeSha256)
	}
	slices.Sort(all)
	return all
}
