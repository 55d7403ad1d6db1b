package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fibergauge/fibergauge/collector/store"
)

// state is how far the journal has been read.
type state struct {
	generation   int64
	first        string
	before, last string
}

// linkDay is a link and test on one day, counted in UTC since 1970.
type linkDay struct {
	src, dst, test string
	day            int64
}

// starts is a range of the starts of windows.
type starts struct{ firstMS, lastMS int64 }

// news is what the journal says since it was last read.
type news struct {
	state
	starts map[linkDay]starts
	other  bool // the journal is not the one that was read before
}

const dayMS = 24 * 3600 * 1000

// attempts bounds how often another program may read the journal first.
const attempts = 5

// refresh reads the journal on and forgets the days that it names. What is
// stored before it begins is then in no record that Load gives.
func (c *Cache) refresh(ctx context.Context) (generation int64, err error) {
	for range attempts {
		from, err := stateIn(ctx, c.db)
		if err != nil {
			return 0, fmt.Errorf("day records: %w", err)
		}
		found, err := c.read(ctx, from)
		if err != nil {
			return 0, fmt.Errorf("day records: read the journal: %w", err)
		}
		err = c.apply(ctx, from, found)
		if !errors.Is(err, errOvertaken) {
			return found.generation, err
		}
	}
	return 0, fmt.Errorf("day records: other programs keep reading the journal into the same file")
}

// stateIn reads the state in a database or a transaction.
func stateIn(ctx context.Context, in interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (s state, err error) {
	row := in.QueryRowContext(ctx, "SELECT generation, first, before, last FROM state")
	err = row.Scan(&s.generation, &s.first, &s.before, &s.last)
	return s, err
}

// read collects what changed. It begins one entry before the end that was
// reached, so that it can see whether this is still the same journal.
func (c *Cache) read(ctx context.Context, from state) (*news, error) {
	first, err := c.firstEntry(ctx)
	if err != nil {
		return nil, err
	}
	found := &news{state: from, starts: map[linkDay]starts{}}
	found.generation++
	if found.other = from.first != "" && first != from.first; !found.other {
		found.first = first
		known, err := found.follow(ctx, c.journal, store.Cursor(from.before), from.last)
		if err != nil || known {
			return found, err
		}
	}
	// Another store stands here now: nothing that is kept is of it.
	again := &news{state: state{generation: from.generation + 1, first: first}, other: true, starts: map[linkDay]starts{}}
	_, err = again.follow(ctx, c.journal, "", "")
	clear(again.starts)
	return again, err
}

func (c *Cache) firstEntry(ctx context.Context) (string, error) {
	for entry, err := range c.journal.Journal(ctx, "") {
		if err != nil {
			return "", err
		}
		return fingerprint(&entry), nil
	}
	return "", nil
}

// follow reads from a cursor to the end. known tells whether the last entry
// that was read before came by.
func (n *news) follow(ctx context.Context, journal Journal, from store.Cursor, last string) (known bool, err error) {
	known = last == ""
	before := from
	for entry, err := range journal.Journal(ctx, from) {
		if err != nil {
			return false, err
		}
		n.before, n.last = string(before), fingerprint(&entry)
		before = entry.Cursor
		if n.last == last {
			known = true
			continue
		}
		// Others may come again, or late and before the last one: all are taken.
		for _, s := range entry.Spans {
			n.add(s)
		}
	}
	return known, nil
}

func (n *news) add(s store.Span) {
	for day := floorDiv(s.FirstMS, dayMS); day <= floorDiv(s.LastMS, dayMS); day++ {
		at := linkDay{s.Src, s.Dst, s.Test, day}
		add := starts{max(s.FirstMS, day*dayMS), min(s.LastMS, (day+1)*dayMS-1)}
		if have, ok := n.starts[at]; ok {
			add = starts{min(add.firstMS, have.firstMS), max(add.lastMS, have.lastMS)}
		}
		n.starts[at] = add
	}
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

var errOvertaken = errors.New("another program has read the journal meanwhile")

func (c *Cache) apply(ctx context.Context, from state, found *news) (err error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}()
	now, err := stateIn(ctx, tx)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	if now != from {
		return errOvertaken
	}
	if found.other {
		c.log.Info("another store stands where this one's day records were made; they are made anew")
		// Reserved days as well: whoever makes them now reads the one store or
		// the other.
		if _, err := tx.ExecContext(ctx, "DELETE FROM day"); err != nil {
			return fmt.Errorf("day records: %w", err)
		}
	}
	touch, err := tx.PrepareContext(ctx, `UPDATE day SET record = NULL, touched = ?
		WHERE src = ? AND dst = ? AND test = ? AND from_ms <= ? AND to_ms > ?`)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	defer touch.Close()
	for k, s := range found.starts {
		if _, err := touch.ExecContext(ctx, found.generation, k.src, k.dst, k.test, s.lastMS, s.firstMS); err != nil {
			return fmt.Errorf("day records: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE state SET generation = ?, first = ?, before = ?, last = ?",
		found.generation, found.first, found.before, found.last); err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
