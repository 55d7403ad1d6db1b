package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLabClock(t *testing.T) {
	c := &labClock{file: filepath.Join(t.TempDir(), "clock"), log: slog.New(slog.DiscardHandler)}
	var got []time.Duration
	for _, text := range []string{"-", "1500", "", "-45000\n", "soon", "250"} {
		if text != "-" { // the first time there is no file
			if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c.read()
		got = append(got, time.Duration(c.offset.Load()))
	}
	want := []time.Duration{0, 1500 * time.Millisecond, 0, -45 * time.Second, -45 * time.Second, 250 * time.Millisecond}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wall, _ := c.clock()()
	if ahead := time.Until(time.Unix(0, wall)); ahead < 0 || ahead > 250*time.Millisecond {
		t.Errorf("the clock is %v ahead, want just below 250ms", ahead)
	}
	if ahead := time.Until(c.now()); ahead < 0 || ahead > 250*time.Millisecond {
		t.Errorf("now is %v ahead, want just below 250ms", ahead)
	}
}
