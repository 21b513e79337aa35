package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"rootguard/internal/testenv"
)

// enabled names the variable that `make e2e` sets.
const enabled = "ROOTGUARD_E2E"

// region is where the guard is deployed.
const region = "us-east-1"

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && shared != nil {
		if err := shared.roles.unproven(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the emulation:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// world is what the tests share.
type world struct {
	root    string // of the repository
	dir     string // for what is made, .build/e2e
	moto    *moto
	proxy   *proxy
	roles   *roles
	command string // the binary of the command rootguard

	mu          sync.Mutex
	deployments map[string]*deployment // by settings

	organization *organization
	binaries     map[string]string // of functions, by name
}

var (
	begin   sync.Once
	shared  *world
	beginEr error
)

// start starts the emulation, once.
func start(t *testing.T) *world {
	t.Helper()
	if os.Getenv(enabled) == "" {
		t.Skipf("skipped: it deploys to an emulated AWS; run make e2e, which sets %s", enabled)
	}
	begin.Do(func() { shared, beginEr = newWorld(testenv.Root(t)) })
	if beginEr != nil {
		t.Fatal(beginEr)
	}
	return shared
}

func newWorld(root string) (*world, error) {
	w := &world{root: root, dir: filepath.Join(root, ".build", "e2e"), deployments: map[string]*deployment{}, binaries: map[string]string{}}
	if err := os.MkdirAll(w.dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of the emulation: %w", err)
	}
	w.roles = &roles{callers: map[string]*principal{}, granted: map[grant]bool{}, organizations: map[string]string{}}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	w.command = filepath.Join(w.dir, "rootguard")
	build := exec.CommandContext(ctx, "go", "build", "-o", w.command, "./internal/cmd/rootguard")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the command rootguard: %w\n%s", err, out)
	}
	var err error
	for range 3 { // another process may take the port before moto does
		if w.moto, err = startMoto(ctx, filepath.Join(w.dir, "moto.log")); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if w.proxy, err = startProxy(w.moto.url, w.roles); err != nil {
		return nil, errors.Join(err, w.moto.stop())
	}
	return w, nil
}

func stop() error {
	if shared == nil {
		return nil
	}
	shared.proxy.stop()
	return shared.moto.stop()
}
