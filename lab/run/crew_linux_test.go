package run

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func newCrew(t *testing.T) *crew {
	t.Helper()
	f := folder{t.TempDir()}
	if err := f.prepare(); err != nil {
		t.Fatal(err)
	}
	return &crew{folder: f, deaths: make(chan *child, 8)}
}

func TestCrewHearsOfADeath(t *testing.T) {
	c := newCrew(t)
	for _, test := range []struct{ script, want string }{
		{"echo first; echo last >&2; exit 3", "x died: exit status 3; its log %s ends: first | last"},
		{"exit 0", "x ended; its log %s ends: first | last"},
		{"kill -9 $$", "x died: signal: killed; its log %s ends: first | last"},
	} {
		child, err := c.start("x", nil, "/bin/sh", "-c", test.script)
		if err != nil {
			t.Fatal(err)
		}
		if dead := <-c.deaths; dead != child {
			t.Fatalf("%s died, not %s", dead.name, child.name)
		}
		if got, want := child.death().Error(), strings.Replace(test.want, "%s", c.folder.file("logs/x.log"), 1); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestCrewStopsInOrder(t *testing.T) {
	c := newCrew(t)
	start := func(name, script string) *child {
		child, err := c.start(name, nil, "/bin/sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		// The trap stands once the script has said so.
		for deadline := time.Now().Add(10 * time.Second); !strings.HasSuffix(child.tail(), "ready"); {
			if time.Now().After(deadline) {
				t.Fatal("the script does not start")
			}
			time.Sleep(5 * time.Millisecond)
		}
		return child
	}
	for _, test := range []struct {
		name, script string
		patience     time.Duration
		want         string
	}{
		{"obedient", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", time.Minute, ""},
		{"failing", "trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done", time.Minute, "stop failing: exit status 4; "},
		{"deaf", "trap '' TERM; echo ready; while :; do sleep 0.01; done", time.Millisecond, "stop deaf: did not end within 1ms, and was killed; "},
	} {
		t.Run(test.name, func(t *testing.T) {
			child := start(test.name, test.script)
			if err := child.signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			err := child.wait(t.Context(), test.patience)
			if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err := child.kill(); err != nil {
				t.Errorf("kill what has ended: %v", err)
			}
			if len(c.deaths) != 0 {
				t.Error("a death that was asked for is reported")
			}
		})
	}
}
