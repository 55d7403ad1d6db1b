package uplink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// firstTry is how long the start of measuring waits for the collector before
// it goes by the assignment that was kept.
const firstTry = 3 * time.Second

// Follow fetches the assignment, again every Poll, and gives each new one to
// Take, until the context ends. Where the collector is away at the start, the
// assignment kept in the spool is taken.
func (u *Uplink) Follow(ctx context.Context) {
	kept, tag := u.kept()
	first, cancel := context.WithTimeout(ctx, firstTry)
	a, newTag, err := u.Fetch(first, tag)
	cancel()
	u.fetching.note(err)
	switch {
	case a != nil:
		tag = newTag
		u.take(a)
	case kept != nil:
		u.take(kept)
	}
	var failures backoff
	for {
		// Many probes must not ask at the same moment.
		wait := u.cfg.Poll*9/10 + rand.N(u.cfg.Poll/5+1)
		var r *refusal
		if errors.As(err, &r) && r.after > 0 {
			wait = failures.pause(r.after)
		} else if err != nil {
			wait = min(wait, failures.pause(0))
		} else {
			failures.reset()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-u.ask:
			timer.Stop()
		}
		a, newTag, err = u.Fetch(ctx, tag)
		if ctx.Err() != nil {
			return
		}
		u.fetching.note(err)
		if a != nil {
			tag = newTag
			u.take(a)
		}
	}
}

func (u *Uplink) take(a *wire.Assignment) {
	u.mesh.Store(&a.MeshSHA256)
	u.cfg.Take(a)
}

// kept gives the assignment in the spool, if there is one that can be used.
func (u *Uplink) kept() (*wire.Assignment, string) {
	data, tag, err := u.cfg.Store.Assignment()
	if err == nil && data != nil {
		var a *wire.Assignment
		if a, err = wire.DecodeAssignment(data); err == nil {
			if err = u.cfg.Check(a); err == nil {
				return a, tag
			}
		}
	}
	if err != nil {
		u.cfg.Log.Warn("the assignment kept in the spool is not used", "error", err)
	}
	return nil, ""
}

// Fetch asks for the assignment; nil without an error where it is still the one
// that the tag names. A new one is kept in the spool.
func (u *Uplink) Fetch(ctx context.Context, tag string) (*wire.Assignment, string, error) {
	header := http.Header{"Accept": {"application/json"}}
	if tag != "" {
		header.Set("If-None-Match", tag)
	}
	res, err := u.exchange(ctx, http.MethodGet, "/assignment", header, nil)
	if err != nil {
		return nil, "", err
	}
	switch res.status {
	case http.StatusNotModified:
		return nil, tag, nil
	case http.StatusOK:
	default:
		return nil, "", res.refused()
	}
	a, err := wire.DecodeAssignment(res.body)
	if err != nil {
		return nil, "", fmt.Errorf("read assignment: %w", err)
	}
	if err := u.cfg.Check(a); err != nil {
		return nil, "", err
	}
	if err := u.cfg.Store.KeepAssignment(res.body, res.tag); err != nil {
		// Measuring goes on without; only a restart with the collector away
		// would miss it.
		u.cfg.Log.Error("the assignment is not kept over a restart", "error", err)
	}
	return a, res.tag, nil
}

// askAgain has the assignment fetched soon if the collector serves another
// mesh than the one in force.
func (u *Uplink) askAgain(mesh string) {
	if mesh == *u.mesh.Load() {
		return
	}
	select {
	case u.ask <- struct{}{}:
	default:
	}
}
