// Package uplink talks to the collector over HTTP: it fetches the assignment
// and hands it to package measure, and delivers the windows that package spool
// keeps until the collector has acknowledged each of them.
//
// What a collector answers decides what happens to a window: it leaves the
// spool only with an acknowledgement of the very batch that was sent, or is set
// aside where the collector says that it will never take it.
package uplink

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Times of the conversation.
const (
	requestTimeout = 30 * time.Second
	firstBackoff   = 500 * time.Millisecond
	maxBackoff     = 15 * time.Second
	maxRetryAfter  = 5 * time.Minute // more than this is taken for a mistake
	// slowly is the pace of a complaint that stays the same.
	slowly = time.Minute
)

// Store is what the uplink needs of the spool.
type Store interface {
	Oldest(windows, bytes int) ([]spool.Entry, error)
	Settle(delivered []uint64, refused map[uint64]spool.Refused) error
	Added() <-chan struct{}
	KeepAssignment(data []byte, tag string) error
	Assignment() (data []byte, tag string, err error)
}

// Config is what an Uplink needs.
type Config struct {
	Collector Collector
	Client    *http.Client
	Site      string
	Poll      time.Duration // between two questions for the assignment
	Store     Store
	// CatchUp is the most windows a second that are delivered for longer than a
	// moment; 0 is no limit.
	CatchUp float64
	// Take is given each new assignment.
	Take func(*wire.Assignment)
	// Check tells whether an assignment can be used.
	Check func(*wire.Assignment) error
	// Sign signs a batch; nil: batches go without.
	Sign      func(*wire.Batch)
	UserAgent string
	Log       *slog.Logger
}

// Uplink is one probe's conversation with its collector.
type Uplink struct {
	cfg Config
	ask chan struct{} // capacity 1: ask for the assignment now

	mesh      atomic.Pointer[string] // of the assignment in force
	delivered atomic.Int64
	refused   atomic.Int64
	given     atomic.Int64
	fetching  complaint
	sending   complaint
}

// New makes an Uplink.
func New(cfg Config) *Uplink {
	u := &Uplink{
		cfg: cfg, ask: make(chan struct{}, 1),
		fetching: complaint{log: cfg.Log, what: "the assignment could not be fetched; the last one stays in force, if there is one"},
		sending:  complaint{log: cfg.Log, what: "windows could not be delivered; they stay in the spool"},
	}
	none := ""
	u.mesh.Store(&none)
	return u
}

// Delivered is the number of windows acknowledged so far.
func (u *Uplink) Delivered() int64 { return u.delivered.Load() }

// Refused is the number of windows set aside so far.
func (u *Uplink) Refused() int64 { return u.refused.Load() }

// GivenUp is the number of windows refused while there was no spool to set them
// aside in.
func (u *Uplink) GivenUp() int64 { return u.given.Load() }

// Trouble is why windows or the assignment do not pass now; empty where they do.
func (u *Uplink) Trouble() string {
	for _, c := range []*complaint{&u.sending, &u.fetching} {
		if now := c.now.Load(); now != nil && *now != "" {
			return *now
		}
	}
	return ""
}

// complaint logs a trouble when it begins and when it ends, and in between
// once in a while or when it changes.
type complaint struct {
	log   *slog.Logger
	what  string
	last  string
	since time.Time
	said  time.Time
	now   atomic.Pointer[string] // last, for others
}

func (c *complaint) note(err error) {
	defer func() { last := c.last; c.now.Store(&last) }()
	switch now := time.Now(); {
	case err == nil && c.last != "":
		c.log.Info("the collector answers again", "after", now.Sub(c.since).Round(time.Millisecond))
		c.last = ""
	case err != nil && (err.Error() != c.last || now.Sub(c.said) >= slowly):
		if c.last == "" {
			c.since = now
		}
		c.last, c.said = err.Error(), now
		c.log.Warn(c.what, "error", err)
	}
}

// backoff grows from one failure to the next.
type backoff struct{ next time.Duration }

// pause is how long to wait now: at random within the upper half, so that many
// probes do not come back together. Where it is less than was asked for, it comes
// on top of that: who was told the same by one collector must not obey it in step.
func (b *backoff) pause(atLeast time.Duration) time.Duration {
	b.next = min(max(2*b.next, firstBackoff), maxBackoff)
	wait := b.next/2 + rand.N(b.next/2)
	if wait < atLeast {
		wait += atLeast
	}
	return wait
}

func (b *backoff) reset() { b.next = 0 }

// sleep waits, but not beyond the end of the context.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
