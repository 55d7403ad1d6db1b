package series

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// errShorter says that a packet came meanwhile which is shorter than all before,
// so that the buckets are others.
var errShorter = errors.New("shorter packets keep coming")

// attempts bounds how often buckets are laid out anew.
const attempts = 3

// Heatmap answers a query with the packets of all its ends together.
//
// All is read twice: where the buckets lie hangs on all packets, and to keep these
// for each point would take memory that nothing bounds.
func Heatmap(ctx context.Context, from Source, q Query) (*api.Heatmap, error) {
	r, err := newReading(from, q)
	if err != nil {
		return nil, err
	}
	if err := r.merge(mostNumbers/q.Buckets, fmt.Sprintf("up to %d buckets", q.Buckets)); err != nil {
		return nil, err
	}
	out := &api.Heatmap{
		Schema: api.SchemaHeatmap, From: stamp(q.Period.From), To: stamp(q.Period.To), TimeZone: r.newest.TimeZone,
		Test: r.Test, Step: string(q.Step), Merged: r.merged, Ends: len(r.ends), EdgesMS: []float64{}, Points: []api.HeatmapPoint{},
	}
	for range attempts {
		var all whole
		if err := r.each(ctx, &all); err != nil {
			return nil, err
		}
		counted := &counting{bucketsOf(&all.rtts, q.Buckets), map[int64]*cell{}, nil}
		err = r.each(ctx, counted)
		if errors.Is(err, errShorter) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range counted.n {
			out.EdgesMS = append(out.EdgesMS, theory.MS(counted.firstUS+int64(i)*counted.widthUS))
		}
		out.Points = append(out.Points, counted.points(q.Period.From.Location())...)
		return out, nil
	}
	return nil, err
}

// buckets are of one width; the last has no upper edge. There are none where no
// packet has an RTT.
type buckets struct {
	firstUS, widthUS int64
	n                int
}

// bucketsOf lays out at most so many buckets from the shortest RTT to that of the
// 99.9th percentile of what was received: few packets that took very long would
// else make all others one.
func bucketsOf(d *latency.Distribution, most int) buckets {
	least, most999, ok := d.Spread(999, 1000)
	if !ok {
		return buckets{}
	}
	width := int64(1)
	for i := 0; ; i++ {
		first, last := int64(least)/width, int64(most999)/width
		if n := last - first + 1; n <= int64(most) {
			return buckets{first * width, width, int(n)}
		}
		width = [...]int64{1, 2, 5}[(i+1)%3] * int64(math.Pow10((i+1)/3))
	}
}

// of is the bucket of an RTT; less than 0 below the first, and where there is none.
func (b *buckets) of(us int64) int {
	if us < b.firstUS || b.n == 0 {
		return -1
	}
	return int(min((us-b.firstUS)/b.widthUS, int64(b.n)-1))
}

// whole puts all packets together.
type whole struct {
	rtts    latency.Distribution
	scratch []uint32
}

func (a *whole) share(_ *reach, _ span, open, excused *latency.Share) error {
	for _, share := range []*latency.Share{open, excused} {
		for _, h := range share.Sources() {
			a.rtts.AddHistogram(h)
		}
	}
	return nil
}

func (a *whole) window(_ *reach, _ span, w *wire.Window) (err error) {
	a.scratch, err = a.rtts.Add(w, a.scratch)
	return err
}

// counting counts the packets of each point.
type counting struct {
	buckets
	cells   map[int64]*cell // by point
	scratch []uint32
}

// cell is one point.
type cell struct {
	fromMS, toMS   int64
	counts         []int64
	lost, received int64
}

func (c *counting) cell(at span) *cell {
	found := c.cells[at.point]
	if found == nil {
		found = &cell{fromMS: at.fromMS, toMS: at.toMS, counts: make([]int64, c.n)}
		c.cells[at.point] = found
	}
	found.fromMS, found.toMS = min(found.fromMS, at.fromMS), max(found.toMS, at.toMS)
	return found
}

func (c *counting) add(to *cell, us uint32, n int64) error {
	i := c.of(int64(us))
	if i < 0 {
		return errShorter
	}
	to.counts[i] += n
	to.received += n
	return nil
}

func (c *counting) share(_ *reach, at span, open, excused *latency.Share) error {
	to := c.cell(at)
	for _, share := range []*latency.Share{open, excused} {
		for _, h := range share.Sources() {
			to.lost += int64(h.Lost())
			for us, n := range h.Between(0, math.MaxUint32) {
				if err := c.add(to, us, int64(n)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *counting) window(_ *reach, at span, w *wire.Window) (err error) {
	if w.Summary != nil {
		return nil // it has no samples
	}
	to := c.cell(at)
	to.lost += int64(w.Lost)
	if c.scratch, err = wire.DecodeRTTs(c.scratch[:0], w.RTTs); err != nil {
		return fmt.Errorf("window %s: %w", w.Key, err)
	}
	for _, us := range c.scratch {
		if err := c.add(to, us, 1); err != nil {
			return err
		}
	}
	return nil
}

func (c *counting) points(zone *time.Location) (points []api.HeatmapPoint) {
	numbers := make([]int64, 0, len(c.cells))
	for number := range c.cells {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for _, number := range numbers {
		if cell := c.cells[number]; cell.lost+cell.received > 0 {
			points = append(points, api.HeatmapPoint{
				From: stamp(time.UnixMilli(cell.fromMS).In(zone)), To: stamp(time.UnixMilli(cell.toMS).In(zone)),
				Lost: cell.lost, Counts: cell.counts,
			})
		}
	}
	return points
}
