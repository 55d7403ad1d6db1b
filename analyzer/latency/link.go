package latency

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Source is where windows are read; every store.Store is one.
type Source interface {
	Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error]
}

// Records keeps days that were made, so that their windows need not be read
// again. It forgets a day by itself when windows of it were stored since.
type Records interface {
	// Load gives the days of keys, which are of one link and ascend; nil for each
	// that there is none of. Without hours these are at rest.
	Load(ctx context.Context, keys []DayKey, hours bool) ([]*Day, error)
	// LoadSums is Load without hours and their bins: days of which there is only
	// what is of the whole day.
	LoadSums(ctx context.Context, keys []DayKey) ([]*Day, error)
	// LoadHours adds them to days that are at rest. They stay at rest where the
	// record is not that of the day any more.
	LoadHours(ctx context.Context, keys []DayKey, days []*Day) error
	// Reserve says that days are about to be made, before their windows are
	// read: what is stored after it spoils them.
	Reserve(ctx context.Context, keys []DayKey) error
	// Save keeps days that were reserved, but for those that were spoilt.
	Save(ctx context.Context, keys []DayKey, days []*Day) error
}

// DayKey names a day record. Two records of one key are the same.
type DayKey struct {
	Src, Dst, Test string
	Span           // of the hours of the day that are in the record
	// Circumstances is the hash over all else that the record follows from
	// besides the windows: the hours, and what the mesh says of test, sites and
	// maintenance.
	Circumstances wire.Digest
}

// Link is what one site measured towards another by one test over a period.
// Windows that only carry a summary, as imports may, hold no samples: of their
// packets Bounds are known, if the summary says how many they are. Packets of
// other summaries, and of foreign windows, are in no count.
type Link struct {
	Src, Dst, Test string
	Facts
	Days []*Day // each of the calendar, also those without windows
}

// Read gives the days of an end, from the records where these have them and
// else from the windows; records may be nil. Without hours these may be at rest,
// which spares most of what there is to load; Wake loads them later.
//
// A mesh that judges may say otherwise than the one that was measured by. A
// window is foreign if it begins when by this mesh one of its sites does not
// exist, or if its labels are of another cluster, carrier, plane or method:
// the distance that the mesh gives is not of what the window measured.
func Read(ctx context.Context, source Source, records Records, scope *Scope, hours bool) (*Link, error) {
	maker, err := readDays(ctx, source, records, scope, func(keys []DayKey) ([]*Day, error) { return records.Load(ctx, keys, hours) })
	if err != nil {
		return nil, err
	}
	link := &Link{Src: scope.Src.ID, Dst: scope.Dst.ID, Test: scope.Test.Name, Days: maker.days}
	for _, day := range link.Days {
		link.Add(&day.Facts)
	}
	return link, nil
}

// ReadSums is Read for whoever asks of each day as a whole only. A day from the
// records has no bins.
func ReadSums(ctx context.Context, source Source, records Records, scope *Scope) ([]*Day, error) {
	maker, err := readDays(ctx, source, records, scope, func(keys []DayKey) ([]*Day, error) { return records.LoadSums(ctx, keys) })
	if err != nil {
		return nil, err
	}
	return maker.days, nil
}

// readDays loads days, unless there are no records, and makes those that are not
// there.
func readDays(ctx context.Context, source Source, records Records, scope *Scope, load func([]DayKey) ([]*Day, error)) (*dayMaker, error) {
	maker := newDayMaker(scope)
	keys := scope.keys()
	if records != nil {
		var err error
		if maker.days, err = load(keys); err != nil {
			return nil, err
		}
	}
	var missing []DayKey
	for i, day := range maker.days {
		if day == nil {
			missing = append(missing, keys[i])
		}
	}
	if records != nil && len(missing) > 0 {
		if err := records.Reserve(ctx, missing); err != nil {
			return nil, err
		}
	}
	for first := 0; first < len(keys); first++ {
		if maker.days[first] != nil {
			continue
		}
		last := first
		for last+1 < len(keys) && maker.days[last+1] == nil {
			last++
		}
		if err := maker.read(ctx, source, first, last, Span{keys[first].FromMS, keys[last].ToMS}); err != nil {
			return nil, err
		}
		if records != nil {
			if err := records.Save(ctx, keys[first:last+1], maker.days[first:last+1]); err != nil {
				return nil, err
			}
		}
		first = last
	}
	return maker, nil
}

// Wake loads the hours of a link that was read of a scope without them. False if
// days have changed since, so that the link has to be read again.
func (l *Link) Wake(ctx context.Context, records Records, scope *Scope) (awake bool, err error) {
	if !l.HoursAtRest() {
		return true, nil
	}
	err = records.LoadHours(ctx, scope.keys(), l.Days)
	return !l.HoursAtRest(), err
}

func (m *dayMaker) read(ctx context.Context, source Source, first, last int, span Span) error {
	m.begin(first, last)
	query := store.Query{
		Src: m.scope.Src.ID, Dst: m.scope.Dst.ID, Test: m.scope.Test.Name, FromMS: span.FromMS, ToMS: span.ToMS,
	}
	for record, err := range source.Windows(ctx, query) {
		if err != nil {
			return fmt.Errorf("read windows of %s>%s: %w", m.scope.Src.ID, m.scope.Dst.ID, err)
		}
		if err := m.add(&record); err != nil {
			return err
		}
	}
	m.closeDay()
	return nil
}

// recordVersion rises when a record of the same windows would hold something
// else than before.
const recordVersion = 7

// keys names the days of the calendar.
func (s *Scope) keys() []DayKey {
	type site struct {
		Cluster, Carrier string
		Plane            mesh.Plane
		From, Until      mesh.Moment
	}
	of := func(s *mesh.Site) site { return site{s.Cluster, s.Carrier, s.Plane, s.From, s.Until} }
	keys := make([]DayKey, len(s.Calendar.Days))
	for i, day := range s.Calendar.days {
		keys[i] = DayKey{Src: s.Src.ID, Dst: s.Dst.ID, Test: s.Test.Name, Span: day.Span}
		var excused []Span
		for _, span := range s.Excused {
			if span.FromMS < day.ToMS && day.FromMS < span.ToMS {
				excused = append(excused, Span{max(span.FromMS, day.FromMS), min(span.ToMS, day.ToMS)})
			}
		}
		data, err := json.Marshal([]any{
			recordVersion, day.sum, s.Test.Method, s.Test.IntervalMS, of(s.Src), of(s.Dst), excused,
		})
		if err != nil {
			panic("latency: " + err.Error()) // strings and numbers
		}
		keys[i].Circumstances = sha256.Sum256(data)
	}
	return keys
}

// Tally is the distribution over one calendar and how its hours were filled.
type Tally struct {
	*Calendar
	Distribution         // of the packets that have samples
	Usable       []int64 // by hour, as Share says
	bounds       withBounds
}

// Over sums up what lies in a calendar, whose hours must begin where hours of
// the one that was read begin. What maintenance excuses is in it only on
// request.
func (l *Link) Over(c *Calendar, excused bool) *Tally {
	t := &Tally{Calendar: c, Usable: make([]int64, len(c.Hours))}
	for _, day := range l.Days {
		for i := range day.Bins {
			bin := &day.Bins[i]
			if hour, ok := c.HourAt(bin.FromMS); ok {
				t.Usable[hour] += bin.Open.Usable
				if excused {
					t.Usable[hour] += bin.Excused.Usable
				}
			}
		}
		for share := range day.Shares(c, excused) {
			for _, h := range share.Sources() {
				t.AddHistogram(h)
			}
			t.bounds.add(&share.Summed)
		}
	}
	return t
}

// Shares are what was measured on the day within a calendar, with what
// maintenance excuses on request. If the calendar cuts the day, its hours must
// not be at rest.
func (d *Day) Shares(c *Calendar, excused bool) iter.Seq[*Share] {
	return func(yield func(*Share) bool) {
		for open, extra := range d.within(c) {
			if !yield(open) || excused && !yield(extra) {
				return
			}
		}
	}
}

// HoursAtRest tells whether the hours of any day are.
func (l *Link) HoursAtRest() bool {
	return slices.ContainsFunc(l.Days, func(d *Day) bool { return d.HoursAtRest })
}

// Silent tells whether nothing was measured on the day.
func (d *Day) Silent() bool {
	return !slices.ContainsFunc(d.Bins, func(b Bin) bool { return b.Open.Usable > 0 || b.Excused.Usable > 0 })
}
