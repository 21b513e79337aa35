package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// moto is a running moto_server.
type moto struct {
	url  string
	cmd  *exec.Cmd
	live io.Closer // its end ends the server
	exit chan struct{}
	log  *os.File
}

// tool finds a program of `make e2e`.
func tool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w; run make e2e, which installs it into .build/venv where it is missing, or: pip install 'moto[server]==5.2.1' cfn-lint==1.51.0", name, err)
	}
	return path, nil
}

// startMoto starts the server on a free port with some variables besides this
// process's, and returns once it listens.
func startMoto(ctx context.Context, logFile string, env ...string) (*moto, error) {
	bin, err := tool("moto_server")
	if err != nil {
		return nil, err
	}
	var errs []error
	for range 3 { // another process may take the port
		m, err := tryMoto(ctx, bin, logFile, env)
		if err == nil {
			return m, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func tryMoto(ctx context.Context, bin, logFile string, env []string) (*moto, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return nil, fmt.Errorf("finding a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	m := &moto{url: "http://localhost:" + strconv.Itoa(port), exit: make(chan struct{})}
	if m.log, err = os.Create(logFile); err != nil {
		return nil, fmt.Errorf("making moto's log: %w", err)
	}
	// The shell ends the server when this process is gone, however it ended.
	m.cmd = exec.Command("sh", "-c", `"$@" & server=$!; cat >/dev/null; kill $server; wait $server 2>/dev/null; exit 0`,
		"sh", bin, "-H", "localhost", "-p", strconv.Itoa(port))
	m.cmd.Env = append(os.Environ(), env...)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is this process's to handle
	stdin, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting moto: %w", err)
	}
	m.live = stdin
	output, err := m.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("starting moto: %w", err)
	}
	m.cmd.Stdout = m.log
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting moto: %w", err)
	}
	ready := make(chan struct{})
	go func() {
		defer close(m.exit)
		once := ready
		for lines := bufio.NewScanner(output); lines.Scan(); {
			fmt.Fprintln(m.log, lines.Text())
			if once != nil && strings.Contains(lines.Text(), "Running on "+m.url) {
				close(once)
				once = nil
			}
		}
	}()
	select {
	case <-ready:
		return m, nil
	case <-m.exit:
		err = errors.New("it ended")
	case <-ctx.Done():
		err = ctx.Err()
	}
	text, _ := os.ReadFile(logFile) // only to be shown
	return nil, errors.Join(fmt.Errorf("starting %s: %w\n%s", bin, err, text), m.stop())
}

// stop ends the server and waits for it.
func (m *moto) stop() error {
	_ = m.live.Close()
	select {
	case <-m.exit:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL) // the group that Setpgid made
		<-m.exit
	}
	err := m.cmd.Wait()
	return errors.Join(err, m.log.Close())
}
