package records

import (
	"context"
	"fmt"

	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// Generation is how often the journal had been read when the session began: what
// of its days is touched later has a higher one.
func (s *Session) Generation() int64 { return s.generation }

// Follow reads the journal on, and forgets the days that it names. The
// generation is higher than any before, whether anything came or not.
func (c *Cache) Follow(ctx context.Context) (generation int64, err error) { return c.refresh(ctx) }

// Since is what became of the days of a span, of all links and tests, after a
// session began.
type Since struct {
	// Kept says that days are there which the session could have found or made;
	// without it the file was begun anew, or nothing of the span was ever read.
	Kept bool
	// Touched says that the journal named one of the days, or that somebody
	// began to make one.
	Touched bool
}

// Since tells what became of days after the session of a generation began, as
// far as the journal has been read.
func (c *Cache) Since(ctx context.Context, span latency.Span, generation int64) (found Since, err error) {
	// Few days are touched late, and all days are many. A file of before gets
	// the index here.
	if _, err := c.db.ExecContext(ctx, "CREATE INDEX IF NOT EXISTS day_touched ON day (touched, from_ms, to_ms)"); err != nil {
		return found, fmt.Errorf("day records: %w", err)
	}
	err = c.db.QueryRowContext(ctx, `SELECT
		EXISTS (SELECT 1 FROM day WHERE touched <= ?1 AND from_ms < ?3 AND to_ms > ?2),
		EXISTS (SELECT 1 FROM day WHERE touched > ?1 AND from_ms < ?3 AND to_ms > ?2)`,
		generation, span.FromMS, span.ToMS).Scan(&found.Kept, &found.Touched)
	if err != nil {
		return found, fmt.Errorf("day records: %w", err)
	}
	return found, nil
}
