package run

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// keeper keeps one program running as a service manager would, and takes it
// away where the faults say so.
type keeper struct {
	name  string
	begin func(older bool) (*child, error)
	// mayDie tells whether the program may end by itself now: a probe cannot
	// begin on a full disk.
	mayDie func() bool
	report func(event)

	mu      sync.Mutex // protects all following fields
	child   *child     // nil while it is away
	started time.Time  // the child
	older   bool
	died    int
}

// listens is how long a program may take until it hears a signal to stop: one
// that comes before ends it as kill -9 would.
const listens = 2 * time.Second

// restartAfter is the pause before a program that ended by itself is started
// again.
const restartAfter = time.Second

// keep starts the program again whenever it ends by itself, until the context
// ends.
func (k *keeper) keep(ctx context.Context) {
	for {
		k.mu.Lock()
		child := k.child
		k.mu.Unlock()
		if child == nil {
			if !rest(ctx, 50*time.Millisecond) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-child.ended:
		}
		k.mu.Lock()
		again := k.child == child && !child.expected.Load()
		if again {
			k.child = nil
		}
		k.mu.Unlock()
		if !again {
			if !rest(ctx, 50*time.Millisecond) {
				return
			}
			continue
		}
		allowed := k.mayDie()
		if !allowed {
			k.died++
		}
		k.report(event{What: "ended by itself", Target: k.name, Fine: allowed, Detail: child.death().Error()})
		if !rest(ctx, restartAfter) {
			return
		}
		k.mu.Lock()
		older := k.older
		k.mu.Unlock()
		k.bring(older)
	}
}

// rest waits; false if the context ended meanwhile.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// bring starts the program where it is away.
func (k *keeper) bring(older bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.older = older
	if k.child != nil {
		return
	}
	child, err := k.begin(older)
	if err != nil {
		k.died++
		k.report(event{What: "cannot be started", Target: k.name, Detail: err.Error()})
		return
	}
	k.child, k.started = child, time.Now()
}

// kill is kill -9.
func (k *keeper) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.child == nil {
		return
	}
	if err := k.child.kill(); err != nil {
		k.report(event{What: "cannot be killed", Target: k.name, Detail: err.Error()})
	}
	k.child = nil
}

// stop asks the program to end in good order, and waits for it.
func (k *keeper) stop(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.child == nil {
		return
	}
	rest(ctx, time.Until(k.started.Add(listens)))
	child := k.child
	k.child = nil
	err := child.signal(syscall.SIGTERM)
	if err == nil {
		err = child.wait(ctx, probeStopWithin)
	}
	if err != nil {
		fine := k.mayDie()
		if !fine {
			k.died++
		}
		k.report(event{What: "did not stop well", Target: k.name, Fine: fine, Detail: err.Error()})
	}
}

// event is something that happened in a chaos run, in the order in which it
// did.
type event struct {
	AtMS   int64  `json:"at_ms"` // after the start
	Fault  int    `json:"fault,omitempty"`
	What   string `json:"what"`
	Target string `json:"target"`
	Fine   bool   `json:"fine"` // as it ought to be
	Detail string `json:"detail,omitempty"`
}

func (e event) String() string {
	return fmt.Sprintf("%s %s after %.1f s: %s", e.Target, e.What, float64(e.AtMS)/1000, e.Detail)
}
