package measure

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSocketsAllowedLater: a probe that may open no socket says so once, and
// finds out by itself when it may.
func TestSocketsAllowedLater(t *testing.T) {
	var log bytes.Buffer
	m := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	tries := 0
	m.modes.detect = func(bool) (Mode, error) {
		if tries++; tries <= 3 {
			return "", errors.New("permission denied")
		}
		return ModeDatagram, nil
	}
	next := m.newPinger(Spec{})
	var got []Mode
	for range 5 {
		got = append(got, next().(*probingPinger).mode)
	}
	if diff := cmp.Diff([]Mode{ModeRaw, ModeRaw, ModeRaw, ModeDatagram, ModeDatagram}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || tries != 4 {
		t.Errorf("%d lines, %d tries; want 2, 4:\n%s", n, tries, &log)
	}
}
