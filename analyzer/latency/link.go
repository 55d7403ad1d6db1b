package latency

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"iter"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Source is where windows are read; every store.Store is one.
type Source interface {
	Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error]
}

// Link is what one site measured towards another by one test over a period.
// Windows that only carry a summary, as imports may, are counted but hold no
// samples: their packets are in no count. Nor are those of foreign windows.
type Link struct {
	Src, Dst, Test string

	Packets        Packets
	Windows        int // those that count, summaries included
	Conflicts      int // those that came later under the same key, and differ
	Summaries      int
	Foreign        int   // those that the mesh does not allow the link, as Read says
	FirstMS        int64 // start of the first window; 0 without windows
	LastMS         int64 // latest end of a window
	Origins        map[wire.Origin]int
	Timestamps     map[wire.Timestamps]int // windows that have an RTT
	Meshes         map[string]int          // windows by the SHA-256 of the mesh they were measured by
	ResidenceMaxUS uint32                  // longest time that a reflector claimed as its own
	// ClockRateMaxPPB is the largest correction of the rate of the probe's clock,
	// up or down: the RTTs of its window may be off by that share.
	ClockRateMaxPPB uint64
	Days            []Day // those with windows, in order

	Over []*Tally // by calendar, as given to Read
}

// Packets counts packets as wire.Counts does, over many windows.
type Packets struct {
	Sent, Received, Lost, Late, Duplicate, SendError, Unstamped int64
}

// Day is the hash over the windows that start on one day; package api says
// over which bytes.
type Day struct {
	Date   string
	SHA256 wire.Digest
}

// Tally is the distribution over one calendar and how its hours were filled.
type Tally struct {
	*Calendar
	Distribution

	// Usable counts, by hour, the packets that tell something: sent, and not
	// answered without a timestamp. Windows that overlap, as those of two
	// probes on one site do, and windows of a test that once was faster, fill
	// no more than the time they cover.
	Usable []int64

	run run
}

// run is windows of which each overlaps one before it. They lie within one
// quarter of an hour, as every window does.
type run struct{ fromMS, toMS, usable int64 }

// fill counts a window that starts no earlier than those before it.
func (t *Tally) fill(w *wire.Window, test *mesh.Test) {
	if w.StartMS >= t.run.toMS {
		t.settle(test)
		t.run = run{fromMS: w.StartMS}
	}
	t.run.toMS = max(t.run.toMS, w.EndMS)
	t.run.usable += int64(w.Sent) - int64(w.Unstamped)
}

// settle counts the run that is over. An interval that it only touches may
// hold one of its packets.
func (t *Tally) settle(test *mesh.Test) {
	if t.run.usable > 0 {
		interval := int64(test.IntervalMS)
		slots := ceilDiv(t.run.toMS, interval) - t.run.fromMS/interval
		t.Usable[t.hourOf(t.run.fromMS)] += min(t.run.usable, slots)
	}
	t.run = run{}
}

// Read merges the windows of a link and test that start in the period of the
// first calendar. The further ones lie within it, and each gets a tally of its
// own.
//
// A mesh that judges may say otherwise than the one that was measured by. A
// window is foreign if it begins when by this mesh one of its sites does not
// exist, or if its labels are of another cluster, carrier, plane or method:
// the distance that the mesh gives is not of what the window measured.
func Read(ctx context.Context, source Source, test *mesh.Test, src, dst *mesh.Site, calendars ...*Calendar) (*Link, error) {
	r := &reader{test: test, src: src, dst: dst, Link: &Link{
		Src: src.ID, Dst: dst.ID, Test: test.Name,
		Origins: map[wire.Origin]int{}, Timestamps: map[wire.Timestamps]int{}, Meshes: map[string]int{},
	}}
	for _, c := range calendars {
		r.Over = append(r.Over, &Tally{Calendar: c, Usable: make([]int64, len(c.Hours))})
	}
	period := calendars[0]
	query := store.Query{Src: src.ID, Dst: dst.ID, Test: test.Name, FromMS: period.FromMS, ToMS: period.ToMS}
	var last wire.Key
	for record, err := range source.Windows(ctx, query) {
		if err != nil {
			return nil, fmt.Errorf("read windows of %s>%s: %w", src.ID, dst.ID, err)
		}
		w := &record.Window
		if !period.contains(w.StartMS) || cmp.Or(cmp.Compare(w.StartMS, last.StartMS), cmp.Compare(w.Session, last.Session)) <= 0 && r.Windows > 0 {
			return nil, fmt.Errorf("read windows of %s>%s: the store gave %s out of order or range", src.ID, dst.ID, w.Key)
		}
		last = w.Key
		if err := r.add(&record); err != nil {
			return nil, err
		}
	}
	for _, tally := range r.Over {
		tally.settle(test)
	}
	r.closeDay()
	return r.Link, nil
}

// reader is a Link while it is read.
type reader struct {
	*Link
	test     *mesh.Test
	src, dst *mesh.Site
	scratch  []uint32
	day      int // index in the calendar of the day that is being hashed
	sum      hash.Hash
}

func (r *reader) add(record *store.Record) error {
	w := &record.Window
	r.hashRecord(record)
	if r.Windows == 0 {
		r.FirstMS = w.StartMS
	}
	r.Windows++
	r.Conflicts += len(record.Conflicts)
	r.LastMS = max(r.LastMS, w.EndMS)
	r.Origins[w.Origin]++
	if w.Received > w.Unstamped {
		r.Timestamps[w.Timestamps]++
	}
	r.Meshes[w.MeshSHA256]++
	if r.foreign(w) {
		r.Foreign++
		return nil
	}
	if w.Summary != nil {
		r.Summaries++
		return nil
	}
	if w.STAMP != nil {
		r.ResidenceMaxUS = max(r.ResidenceMaxUS, w.STAMP.ResidenceMaxUS)
	}
	r.ClockRateMaxPPB = max(r.ClockRateMaxPPB, magnitude(w.Clock.FrequencyPPB))
	r.Packets.add(w.Counts)
	for _, tally := range r.Over {
		if !tally.contains(w.StartMS) {
			continue
		}
		var err error
		if r.scratch, err = tally.Add(w, r.scratch); err != nil {
			return err
		}
		tally.fill(w, r.test)
	}
	return nil
}

// magnitude is that of the least number, too.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

func (r *reader) foreign(w *wire.Window) bool {
	begin := time.UnixMilli(w.StartMS)
	return !r.src.ActiveAt(begin) || !r.dst.ActiveAt(begin) ||
		w.SrcCluster != r.src.Cluster || w.DstCluster != r.dst.Cluster ||
		w.Carrier != r.src.Carrier || w.Plane != string(r.src.Plane) || w.Method != string(r.test.Method)
}

func (p *Packets) add(c wire.Counts) {
	p.Sent += int64(c.Sent)
	p.Received += int64(c.Received)
	p.Lost += int64(c.Lost)
	p.Late += int64(c.Late)
	p.Duplicate += int64(c.Duplicate)
	p.SendError += int64(c.SendError)
	p.Unstamped += int64(c.Unstamped)
}

func (r *reader) hashRecord(record *store.Record) {
	period := r.Over[0]
	if day := period.Hours[period.hourOf(record.Window.StartMS)].Day; r.sum == nil || day != r.day {
		r.closeDay()
		r.day, r.sum = day, sha256.New()
	}
	r.sum.Write(append(record.Window.Canonical(), '\n'))
	for i := range record.Conflicts {
		r.sum.Write([]byte("conflict "))
		r.sum.Write(append(record.Conflicts[i].Canonical(), '\n'))
	}
}

func (r *reader) closeDay() {
	if r.sum != nil {
		r.Days = append(r.Days, Day{r.Over[0].Days[r.day], wire.Digest(r.sum.Sum(nil))})
	}
}
