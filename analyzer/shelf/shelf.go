// Package shelf keeps made reports, so that a report which many ask for is made
// once. Plans and figures come from package report, days from package records;
// whoever answers readers takes reports, and the bytes of them, from here.
//
// A report of a period that is over stays good until something that it rests
// on changes: the archive of meshes, or a day that the journal of the store
// names. Both are looked at when somebody asks, every few seconds at most. A
// report of a period that is not over, or of which no day records are kept, is
// good for a while only.
package shelf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Bounds, unless the Config says otherwise.
const (
	DefaultMaxAge   = time.Minute
	DefaultMaxBytes = 256 << 20

	atOnce      = 2  // builds: each takes memory, and two let a second reader be served
	atOnceOfOne = 1  // builds that one asker may cause at once
	maxPending  = 32 // builds under way and waiting
)

// lookEvery is how long a look at the archive counts, or at what became of the
// days of a report. One at the journal, which serves several reports, counts for
// half of it: what was stored longer ago than both is in what is given.
const lookEvery = 2 * time.Second

// Store is what reports are made of; every store.Reader is one.
type Store interface {
	latency.Source
	Meshes(ctx context.Context) ([]store.MeshVersion, error)
}

// Config is what a shelf makes reports by.
type Config struct {
	Mesh        *mesh.Mesh // judges every period; nil: the archive of the store does
	Policy      *policy.Policy
	Store       Store
	Days        *records.Cache // nil: every report reads all windows
	GeneratedBy string
	MaxAge      time.Duration // of a report that is not known to be good still
	MaxBytes    int64         // of all that is kept, as far as it can be counted
	Log         *slog.Logger
}

// Errors of Resolve and Report. Others are of the plan: the policy or an
// archived mesh does not serve.
var (
	ErrStore = errors.New("the store cannot be read now")
	ErrBusy  = errors.New("another report for this asker is being made, or too many are")
)

// PeriodError says that a period is not one.
type PeriodError struct{ Err error }

func (e *PeriodError) Error() string { return e.Err.Error() }
func (e *PeriodError) Unwrap() error { return e.Err }

// Key names a report: the period, in ms of Unix time, and what is in it.
type Key struct {
	FromMS, ToMS  int64
	Trend, Beside bool
}

func (k Key) period(zone *time.Location) (report.Period, error) {
	return report.Period{From: time.UnixMilli(k.FromMS).In(zone), To: time.UnixMilli(k.ToMS).In(zone)}, nil
}

// Shelf is safe for use by several goroutines.
type Shelf struct {
	Config
	ctx     context.Context // of all that is made, whoever asked for it
	slots   chan struct{}
	archive look[*archive]
	journal look[int64]
	making  sync.WaitGroup // what is under way

	mu      sync.Mutex // protects all following fields
	kept    keeping
	flights map[Key]*flight
	causes  map[string]int // builds under way or waiting, by asker
}

// flight is the making of a report, for which several may wait.
type flight struct {
	done  chan struct{} // closed when the following fields are set
	began time.Time
	made  *Made
	err   error
}

// New makes an empty shelf. What it makes ends with the context; Wait waits
// for that.
func New(ctx context.Context, c Config) *Shelf {
	if c.MaxAge == 0 {
		c.MaxAge = DefaultMaxAge
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	s := &Shelf{
		Config: c, ctx: ctx, slots: make(chan struct{}, atOnce),
		kept: keeping{max: c.MaxBytes, at: map[Key]*Made{}}, flights: map[Key]*flight{}, causes: map[string]int{},
	}
	s.archive.every, s.archive.read, s.archive.going = lookEvery, s.readArchive, &s.making
	s.journal.every, s.journal.read, s.journal.going = lookEvery/2, c.Days.Follow, &s.making
	return s
}

// Wait returns when nothing is being made any more. The context has to have
// ended.
func (s *Shelf) Wait() { s.making.Wait() }

// Report gives a report that is good, and makes it where there is none. asker
// names who is asking, whose builds are bounded; nobody's are not, but for the
// bound on all. Whoever asks for what is being made waits for it.
func (s *Shelf) Report(ctx context.Context, key Key, asker string) (*Made, error) {
	asked := time.Now()
	for {
		s.mu.Lock()
		kept := s.kept.get(key)
		s.mu.Unlock()
		state, err := s.stateOf(ctx, kept)
		switch {
		case err != nil:
			return nil, err
		case state == ageing:
			_, _ = s.join(key, kept, "") // if there is no room, the next asker tries
			return kept, nil
		case state == good:
			return kept, nil
		}
		f, err := s.join(key, kept, asker)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue // another report was put there meanwhile
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if f.err != nil || !f.began.Before(asked) {
			return f.made, f.err
		}
		// It was begun before this was asked for, so it may lack what came since.
		if state, err := s.stateOf(ctx, f.made); err != nil || state != stale {
			return f.made, err
		}
	}
}

// nobody is the asker of what Soon begins: one such report at a time, whoever has
// others made meanwhile. No reader has this name.
const nobody = "\x00"

// Soon gives the first report of some keys that is there and good, or one of a
// period that is not over, however old it is: Made says so. Unless one is good it
// begins to make one, if none that it began before is being made; whoever asks
// later finds it.
func (s *Shelf) Soon(ctx context.Context, keys ...Key) (*Made, error) {
	begin := keys[0]
	var shown *Made
	for _, key := range keys {
		kept := s.Kept(key)
		state, err := s.stateOf(ctx, kept)
		if err != nil {
			return nil, err
		}
		if state == good {
			return kept, nil
		}
		running := kept != nil && !kept.Report.Period.Complete && time.Now().Before(kept.over)
		if shown == nil && (state == ageing || running) {
			begin, shown = key, kept
		}
	}
	s.mu.Lock()
	kept := s.kept.at[begin]
	s.mu.Unlock()
	_, _ = s.join(begin, kept, nobody) // if there is no room, the next asker tries
	return shown, nil
}

// Ahead makes a report before anybody asks for it, unless a good one is there. It
// takes its turn with what Soon begins, so that readers have the other one.
func (s *Shelf) Ahead(ctx context.Context, key Key) error {
	for {
		_, err := s.Report(ctx, key, nobody)
		if !errors.Is(err, ErrBusy) {
			return err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Kept gives a report that is there, whether it is still good or not; nil if
// there is none. Nothing is made.
func (s *Shelf) Kept(key Key) *Made {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.get(key)
}

type state int

const (
	stale  state = iota // or none
	ageing              // may be shown, and is to be replaced
	good
)

// stateOf tells whether a report may be shown.
func (s *Shelf) stateOf(ctx context.Context, m *Made) (state, error) {
	if m == nil {
		return stale, nil
	}
	now, err := s.archive.get(ctx, s.ctx)
	switch {
	case err != nil:
		return stale, fmt.Errorf("%w: %w", ErrStore, err)
	case now.print != m.archive:
		return stale, nil
	case !m.Report.Period.Complete && !time.Now().Before(m.over):
		return stale, nil // it says that the period is not over
	case m.ByAge():
		switch age := time.Since(m.Made); {
		case age >= s.MaxAge:
			return stale, nil
		case age >= s.MaxAge/2:
			return ageing, nil
		}
		return good, nil
	}
	untouched, err := m.untouched.get(ctx, s.ctx)
	switch {
	case err != nil:
		return stale, fmt.Errorf("%w: %w", ErrStore, err)
	case !untouched:
		return stale, nil
	}
	return good, nil
}

// untouchedDays tells whether the days that a report rests on are what they were.
func (s *Shelf) untouchedDays(ctx context.Context, m *Made) (bool, error) {
	if _, err := s.journal.get(ctx, s.ctx); err != nil {
		return false, err
	}
	since, err := s.Days.Since(ctx, m.restsOn, m.generation)
	return since.Kept && !since.Touched, err
}

// join finds the flight of a key or begins one, in place of the report that was
// seen. It gives nil if that one is not there any more.
func (s *Shelf) join(key Key, seen *Made, asker string) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[key]; f != nil {
		return f, nil
	}
	if s.kept.at[key] != seen {
		return nil, nil
	}
	if asker != "" && s.causes[asker] >= atOnceOfOne || len(s.flights) >= maxPending {
		return nil, ErrBusy
	}
	f := &flight{done: make(chan struct{})}
	s.flights[key] = f
	s.causes[asker]++
	s.making.Go(func() { s.fly(key, f, asker) })
	return f, nil
}

// fly makes a report when its turn has come, under no asker's context: who
// came first may leave first.
func (s *Shelf) fly(key Key, f *flight, asker string) {
	defer close(f.done)
	f.made, f.err = s.build(key, f)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, key)
	if s.causes[asker]--; s.causes[asker] == 0 {
		delete(s.causes, asker)
	}
	if f.err == nil {
		s.kept.put(key, f.made)
	}
}

func (s *Shelf) build(key Key, f *flight) (made *Made, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
	f.began = time.Now()
	archive, err := s.archive.get(s.ctx, s.ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	plan, err := archive.meshes.Plan(s.Policy, key.period)
	if err != nil {
		return nil, err
	}
	made = &Made{
		Made: f.began, over: plan.Period.To, archive: archive.print,
		restsOn: latency.Span{FromMS: key.FromMS, ToMS: key.ToMS}, grow: func(m *Made, by int64) { s.grow(key, m, by) },
	}
	made.untouched.every, made.untouched.going = lookEvery, &s.making
	made.untouched.read = func(ctx context.Context) (bool, error) { return s.untouchedDays(ctx, made) }
	if key.Trend {
		// A day more, since an earlier mesh may have another time zone.
		made.restsOn.FromMS = plan.Period.From.AddDate(0, -s.Policy.Diagnosis.Months-1, -1).UnixMilli()
	}
	options := report.Options{
		GeneratedBy: s.GeneratedBy, Complete: !f.began.Before(plan.Period.To), Trend: key.Trend, Beside: key.Beside,
	}
	if s.Days != nil && !plan.Demonstration() {
		session, err := s.Days.Begin(s.ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStore, err)
		}
		options.Records, made.generation = session, session.Generation()
	}
	if made.Report, err = report.Build(s.ctx, plan, s.Store, options); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if made.generation > 0 {
		since, err := s.Days.Since(s.ctx, made.restsOn, made.generation)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStore, err)
		}
		made.byDays = since.Kept && options.Complete
	}
	return made, made.weigh(s.Kept(key))
}

// grow counts bytes that were added to a report, and makes room.
func (s *Shelf) grow(key Key, m *Made, by int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept.grow(key, m, by)
}
