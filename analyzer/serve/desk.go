package serve

import (
	"log/slog"
	"sync"

	"golang.org/x/time/rate"
)

// reportsAtOnce keeps the memory bounded, and a second reader served.
const reportsAtOnce = 2

// desk is where reports are waited for. A reader waits for one at a time, so
// that none keeps the others from theirs.
type desk struct {
	slots chan struct{}

	mu      sync.Mutex      // protects waiting
	waiting map[string]bool // by the name of the reader
}

func newDesk() *desk {
	return &desk{slots: make(chan struct{}, reportsAtOnce), waiting: map[string]bool{}}
}

// ask tells whether the reader may wait now; done has to follow if so. Whoever
// has no name always may: on loopback nobody has one.
func (d *desk) ask(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" || !d.waiting[name] {
		d.waiting[name] = true
		return true
	}
	return false
}

func (d *desk) done(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, name)
}

// quiet keeps a flood of strangers from becoming a flood of log: some lines say
// what is wrong, and the counters how often.
type quiet struct {
	limiter *rate.Limiter
	log     *slog.Logger
}

func newQuiet(log *slog.Logger) *quiet {
	return &quiet{limiter: rate.NewLimiter(5, 20), log: log}
}

func (q *quiet) warn(message string, args ...any) {
	if q.limiter.Allow() {
		q.log.Warn(message, args...)
	}
}

// Write takes the lines of an http.Server.
func (q *quiet) Write(line []byte) (int, error) {
	q.warn(string(line[:max(0, len(line)-1)]))
	return len(line), nil
}
