package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fibergauge/fibergauge/lab/namespace"
)

// crew starts the programs of a run and hears of it when one dies.
type crew struct {
	folder folder
	deaths chan *child // those that nobody asked to stop
}

// child is one running program.
type child struct {
	name     string // of its log: probe-zjk-a
	cmd      *exec.Cmd
	log      string
	expected atomic.Bool // its end is asked for
	ended    chan struct{}
	err      error // how it ended; valid once ended is closed
}

// start runs a program with the output folder as its working folder, so that
// the path of the Unix socket is short wherever that is. It writes into
// logs/NAME.log, after what an earlier one of the name has written.
func (c *crew) start(name string, in *namespace.Namespace, program string, args ...string) (*child, error) {
	return c.startIn(nil, name, in, program, args...)
}

// startIn is start with more in the environment of the program.
func (c *crew) startIn(env []string, name string, in *namespace.Namespace, program string, args ...string) (*child, error) {
	ch := &child{name: name, log: c.folder.file("logs/" + name + ".log"), ended: make(chan struct{})}
	out, err := os.OpenFile(ch.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	ch.cmd = exec.Command(program, args...)
	ch.cmd.Dir = c.folder.path
	if len(env) > 0 {
		ch.cmd.Env = append(os.Environ(), env...)
	}
	ch.cmd.Stdout, ch.cmd.Stderr = out, out
	ended, err := namespace.Start(ch.cmd, in)
	if closeErr := out.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		ch.err = <-ended
		close(ch.ended)
		if !ch.expected.Load() {
			c.deaths <- ch
		}
	}()
	return ch, nil
}

// death is the error for a program that ended although nobody asked it to.
func (ch *child) death() error {
	how := "ended"
	if ch.err != nil {
		how = "died: " + ch.err.Error()
	}
	return fmt.Errorf("%s %s; its log %s ends: %s", ch.name, how, ch.log, ch.tail())
}

// tail is the end of the log on one line.
func (ch *child) tail() string {
	const most = 600
	data, err := os.ReadFile(ch.log)
	if err != nil {
		return err.Error()
	}
	if len(data) > most {
		data = data[len(data)-most:]
		if _, rest, ok := bytes.Cut(data, []byte("\n")); ok {
			data = rest
		}
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "(nothing)"
	}
	return strings.ReplaceAll(text, "\n", " | ")
}

// signal asks the program to end, whichever way the signal means.
func (ch *child) signal(s syscall.Signal) error {
	ch.expected.Store(true)
	if err := ch.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", ch.name, err)
	}
	return nil
}

// wait waits for the end of a program that was asked to end in order. One that
// takes longer than patience is killed, and that is an error.
func (ch *child) wait(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	why := ""
	select {
	case <-ch.ended:
		if ch.err != nil {
			return fmt.Errorf("stop %s: %w; its log %s ends: %s", ch.name, ch.err, ch.log, ch.tail())
		}
		return nil
	case <-ctx.Done():
		why = ctx.Err().Error()
	case <-timer.C:
		why = "did not end within " + patience.String()
	}
	// What it hangs on is known to itself alone: a Go program writes it into its
	// log before it ends.
	tail := ch.tail()
	if err := ch.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	timer.Reset(dumpWithin)
	select {
	case <-ch.ended:
	case <-timer.C:
	}
	if err := ch.kill(); err != nil {
		return err
	}
	return fmt.Errorf("stop %s: %s, and was killed; its log %s tells what it was doing; before that it said: %s", ch.name, why, ch.log, tail)
}

// dumpWithin is how long a program that hangs may take to say on what.
const dumpWithin = 5 * time.Second

// kill ends the program at once.
func (ch *child) kill() error {
	if err := ch.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-ch.ended
	return nil
}
