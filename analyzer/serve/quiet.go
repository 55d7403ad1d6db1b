package serve

import (
	"log/slog"

	"golang.org/x/time/rate"
)

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
