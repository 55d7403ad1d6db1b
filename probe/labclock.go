package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fibergauge/fibergauge/probe/measure"
)

// labClock is the wall clock of the host and an offset that a lab steps while
// the probe runs: the wall clock belongs to the whole machine, so a lab cannot
// step that of one probe. It reaches what measure dates, and the session. It
// does not reach the kernel's timestamps, nor how the uplink judges a window
// that a collector finds to be in the future.
type labClock struct {
	file   string
	log    *slog.Logger
	offset atomic.Int64 // ns
	said   string       // what was wrong with the file
}

// labClockEvery is how often the file is read, and so how late a step is.
const labClockEvery = 20 * time.Millisecond

// read takes the offset out of the file, in milliseconds; a missing or empty
// file is none.
func (c *labClock) read() {
	data, err := os.ReadFile(c.file)
	text := strings.TrimSpace(string(data))
	if errors.Is(err, fs.ErrNotExist) || err == nil && text == "" {
		c.offset.Store(0)
		return
	}
	var ms int64
	if err == nil {
		ms, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		if c.said != err.Error() {
			c.said = err.Error()
			c.log.Error("the lab's clock cannot be read; its offset stays as it was", "error", err)
		}
		return
	}
	c.offset.Store(ms * int64(time.Millisecond))
}

func (c *labClock) follow(ctx context.Context) {
	ticker := time.NewTicker(labClockEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.read()
		}
	}
}

func (c *labClock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// clock is the clock for measuring.
func (c *labClock) clock() measure.Clock {
	system := measure.SystemClock()
	return func() (int64, time.Duration) {
		wall, mono := system()
		return wall + c.offset.Load(), mono
	}
}
