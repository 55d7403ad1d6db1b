package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type grammar struct {
	Globals
	Greet greet `cmd:"" help:"Greet somebody."`
	Fail  fail  `cmd:"" help:"Fail."`
}

type greet struct {
	Name string        `help:"Whom." required:""`
	Wait time.Duration `help:"How long." default:"1s"`
}

func (g *greet) Run(_ context.Context, env *Env) error {
	_, err := fmt.Fprintf(env.Stdout, "hello %s after %s\n", g.Name, g.Wait)
	return err
}

type fail struct{ Status int }

func (f *fail) Run() error {
	err := errors.New("mend this:\nthen that")
	if f.Status != 0 {
		return Exit(f.Status, err)
	}
	return err
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write("good.yaml", "name: Wu\nwait: 5s\nlog-level: debug\n")
	typo := write("typo.yaml", "log-level: warn\nnam: Wu\n")
	slow := write("slow.yaml", "name: Wu\nwait: soon\n")
	loud := write("loud.yaml", "log-level: shout\n")
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string
	}{
		{"flags", []string{"greet", "--name=Li"}, StatusDone, "hello Li after 1s\n", ""},
		{"flags from a file", []string{"greet", "--config", good}, StatusDone, "hello Wu after 5s\n", ""},
		{"command line wins over the file", []string{"greet", "--config", good, "--name", "Li"}, StatusDone, "hello Li after 5s\n", ""},
		{"unknown setting", []string{"greet", "--config", typo}, StatusUsage, "",
			"tool: " + typo + ":2: nam: unknown setting; tool greet knows: log-format, log-level, name, wait\n"},
		{"unknown setting, and no command", []string{"--config", typo}, StatusUsage, "",
			"tool: " + typo + ":2: nam: unknown setting; tool knows: log-format, log-level\n"},
		{"a value that does not fit", []string{"greet", "--config", slow}, StatusUsage, "",
			"tool: " + slow + ":2: wait: expected duration but got \"soon\": time: invalid duration \"soon\"\n"},
		{"a value that is not allowed", []string{"greet", "--name=x", "--config", loud}, StatusUsage, "",
			"tool: " + loud + ":1: log-level: \"shout\" is not allowed; allowed: debug, info, warn, error\n"},
		{"file away", []string{"greet", "--config", dir + "/none.yaml"}, StatusUsage, "",
			"tool: " + dir + "/none.yaml: cannot be read: no such file or directory\n"},
		{"missing flag", []string{"greet"}, StatusUsage, "", "tool: missing flags: --name=STRING; see tool greet --help\n"},
		{"unknown flag", []string{"greet", "--nmae=x"}, StatusUsage, "", "tool: unknown flag --nmae, did you mean \"--name\"?; see tool greet --help\n"},
		{"no command", nil, StatusUsage, "", "tool: expected one of \"greet\", \"fail\"; see tool --help\n"},
		{"failure", []string{"fail"}, StatusFailed, "", "tool: mend this: then that\n"},
		{"failure with a status", []string{"fail", "--status=3"}, 3, "", "tool: mend this: then that\n"},
		{"help says what counts without a flag", []string{"greet", "--help"}, StatusDone, "How long (1s if absent).\n", ""},
		{"version", []string{"--version"}, StatusDone, "tool devel (go1.", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := Run(t.Context(), "tool", "A tool.", &grammar{}, test.args, &stdout, &stderr)
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if !strings.Contains(stdout.String(), test.stdout) || test.stdout == "" && stdout.Len() > 0 {
				t.Errorf("stdout %q, want %q in it", stdout.String(), test.stdout)
			}
			if stderr.String() != test.stderr {
				t.Errorf("stderr %q\nwant   %q", stderr.String(), test.stderr)
			}
		})
	}
}

type wait struct{}

func (*wait) Run(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("read windows: %w; 3 are stored", ctx.Err())
}

// TestInterrupted: who presses Ctrl-C is not told of contexts.
func TestInterrupted(t *testing.T) {
	var g struct {
		Globals
		Wait wait `cmd:""`
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if status := Run(ctx, "tool", "A tool.", &g, []string{"wait"}, io.Discard, &stderr); status != StatusFailed {
		t.Errorf("status %d", status)
	}
	if want := "tool: read windows: interrupted; 3 are stored\n"; stderr.String() != want {
		t.Errorf("stderr %q, want %q", stderr.String(), want)
	}
}

type crash struct{}

func (*crash) Run() error { panic("a fault") }

// TestPanicIsNoSuccess: a fault of the program ends it as Go ends programs.
func TestPanicIsNoSuccess(t *testing.T) {
	defer func() {
		if cause := recover(); cause != "a fault" {
			t.Errorf("recovered %v", cause)
		}
	}()
	var g struct {
		Globals
		Crash crash `cmd:""`
	}
	status := Run(t.Context(), "tool", "A tool.", &g, []string{"crash"}, io.Discard, io.Discard)
	t.Errorf("status %d after a panic", status)
}
