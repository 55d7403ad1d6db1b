package latency

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"iter"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Day is a day record: what one end measured by one test on one day, or on the
// part of it that lies in the period. Everything that is judged or shown is
// made of days, so windows that were read once need not be read again.
type Day struct {
	Date   string
	SHA256 wire.Digest // over the windows that start on it, by appendRecord; zero without any
	Facts
	// Open and Excused are all hours together.
	Open, Excused Share
	Bins          []Bin // one for each hour of the day in the calendar
	// HoursAtRest says that the histograms of the hours are still in the records.
	HoursAtRest bool
}

// Hours are the bins with their histograms, which must not be at rest.
func (d *Day) Hours() []Bin {
	if d.HoursAtRest {
		panic("latency: the hours of " + d.Date + " were not read")
	}
	return d.Bins
}

// within yields what was measured on the day within a calendar, open and
// excused: the day at once if all of it is.
func (d *Day) within(c *Calendar) iter.Seq2[*Share, *Share] {
	return func(yield func(*Share, *Share) bool) {
		in := 0
		for i := range d.Bins {
			if _, ok := c.HourAt(d.Bins[i].FromMS); ok {
				in++
			}
		}
		if in == len(d.Bins) {
			yield(&d.Open, &d.Excused)
			return
		}
		if in == 0 {
			return
		}
		for i := range d.Hours() {
			if _, ok := c.HourAt(d.Bins[i].FromMS); ok && !yield(&d.Bins[i].Open, &d.Bins[i].Excused) {
				return
			}
		}
	}
}

// sum adds up the hours.
func (d *Day) sum() {
	for _, of := range []struct {
		whole *Share
		part  func(*Bin) *Share
	}{
		{&d.Open, func(b *Bin) *Share { return &b.Open }},
		{&d.Excused, func(b *Bin) *Share { return &b.Excused }},
	} {
		var hardware, kernel, user, low, high Distribution
		for i := range d.Bins {
			part := of.part(&d.Bins[i])
			of.whole.Usable += part.Usable
			hardware.AddHistogram(part.Hardware)
			kernel.AddHistogram(part.Kernel)
			user.AddHistogram(part.User)
			low.AddHistogram(part.Summed.Low)
			high.AddHistogram(part.Summed.High)
			of.whole.Summed.LowUS += part.Summed.LowUS
			of.whole.Summed.HighUS += part.Summed.HighUS
			of.whole.Summed.Endless += part.Summed.Endless
		}
		hardware.drain(&of.whole.Hardware)
		kernel.drain(&of.whole.Kernel)
		user.drain(&of.whole.User)
		low.drain(&of.whole.Summed.Low)
		high.drain(&of.whole.Summed.High)
	}
}

// Facts are what is counted without regard to the time of day.
type Facts struct {
	Packets        Packets
	Windows        int // those that count, summaries included
	Conflicts      int // those that came later under the same key, and differ
	Summaries      int
	Uncounted      int // summaries that do not say of how many packets they are
	Given          Given
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
	Probe           Probe
}

// Given counts the summaries that say of how many packets they are, by what they
// say of them.
type Given struct{ Min, Mean, Max int }

// Packets counts packets as wire.Counts does, over many windows.
type Packets struct {
	Sent, Received, Lost, Late, Duplicate, SendError, Unstamped int64
}

// Bin is what was measured within one hour of a calendar.
type Bin struct {
	FromMS int64 // of the hour
	Clock  int   // 0 to 23
	// Open is what counts in any case, Excused what was measured while
	// maintenance excused the link.
	Open, Excused Share
	Path          Path // of what is open
	// ShortestUS is the shortest RTT of what is open, if there is any.
	ShortestUS uint32
	HasRTT     bool
}

// findShortest sets the shortest RTT.
func (b *Bin) findShortest() {
	for _, h := range b.Open.Sources() {
		if us, ok := h.Shortest(); ok && (!b.HasRTT || us < b.ShortestUS) {
			b.ShortestUS, b.HasRTT = us, true
		}
	}
}

// Share is a part of what was measured in an hour, by the source of the
// timestamps. A packet that was lost stands with the source of its window.
type Share struct {
	// Usable counts the packets that tell something: sent, and not answered
	// without a timestamp. Windows that overlap, as those of two probes on one
	// site do, and windows of a test that once was faster, fill no more than the
	// time they cover.
	Usable                 int64
	Hardware, Kernel, User Histogram
	Summed                 Bounds // of packets without samples, whatever their timestamps
}

// Sources are the packets that have samples, by the source of their timestamps.
func (s *Share) Sources() [3]Histogram { return [...]Histogram{s.Hardware, s.Kernel, s.User} }

// Path is what an hour tells of the way of the packets.
type Path struct {
	ForwardLost, ReverseLost uint64    // packets, as a stateful STAMP reflector tells them apart
	TTLChanges               int       // replies whose TTL differed from the one before
	Traces                   int       // times that the probe traced the path because it seemed to change
	Forward, Reverse         Histogram // one-way delays, where both clocks were synchronised
	OneWayErrorUS            uint32    // largest bound on what both clocks add to or take from these; 0: not known
}

// Add sums up the facts of a later day.
func (f *Facts) Add(o *Facts) {
	f.Packets.sum(&o.Packets)
	if f.Windows == 0 {
		f.FirstMS = o.FirstMS
	}
	f.Windows += o.Windows
	f.Conflicts += o.Conflicts
	f.Summaries += o.Summaries
	f.Uncounted += o.Uncounted
	f.Given.Min += o.Given.Min
	f.Given.Mean += o.Given.Mean
	f.Given.Max += o.Given.Max
	f.Foreign += o.Foreign
	f.LastMS = max(f.LastMS, o.LastMS)
	addTo(&f.Origins, o.Origins)
	addTo(&f.Timestamps, o.Timestamps)
	addTo(&f.Meshes, o.Meshes)
	f.ResidenceMaxUS = max(f.ResidenceMaxUS, o.ResidenceMaxUS)
	f.ClockRateMaxPPB = max(f.ClockRateMaxPPB, o.ClockRateMaxPPB)
	f.Probe.Add(&o.Probe)
}

func addTo[K comparable](sum *map[K]int, more map[K]int) {
	if *sum == nil {
		*sum = map[K]int{}
	}
	for k, n := range more {
		(*sum)[k] += n
	}
}

// Scope says what is to be read: one end, over the hours of a calendar.
type Scope struct {
	Test     *mesh.Test
	Src, Dst *mesh.Site
	Calendar *Calendar
	// Excused is when maintenance excuses the link: ascending, apart from each
	// other, and bounded by multiples of the window's length.
	Excused []Span
}

// Span is [FromMS, ToMS), Unix time in ms.
type Span struct{ FromMS, ToMS int64 }

func (s Span) contains(ms int64) bool { return s.FromMS <= ms && ms < s.ToMS }

func (s *Scope) excused(ms int64) bool {
	return slices.ContainsFunc(s.Excused, func(span Span) bool { return span.contains(ms) })
}

// Foreign tells whether a mesh that judges says otherwise than the one that was
// measured by.
func (s *Scope) Foreign(w *wire.Window) bool {
	begin := time.UnixMilli(w.StartMS)
	return !s.Src.ActiveAt(begin) || !s.Dst.ActiveAt(begin) ||
		w.SrcCluster != s.Src.Cluster || w.DstCluster != s.Dst.Cluster ||
		w.Carrier != s.Src.Carrier || w.Plane != string(s.Src.Plane) || w.Method != string(s.Test.Method)
}

// dayMaker makes days of windows that come in the order of their start.
type dayMaker struct {
	scope   *Scope
	days    []*Day // by the calendar; nil where nothing is made
	scratch []uint32

	day  int // being made; -1 before the first
	sum  hash.Hash
	hour int // whose bin is being filled; -1 before the first
	fill [2]filler
	way  struct{ forward, reverse Distribution }
	last struct {
		startMS int64
		session uint64
	}
	any bool

	encoded    []byte // scratch
	origins    streak[wire.Origin]
	meshes     streak[string]
	timestamps streak[wire.Timestamps]
}

// filler collects a Share: 0 is what is open, 1 what is excused.
type filler struct {
	share *Share
	run   run

	hardware, kernel, user Distribution
	summed                 summed
}

// by is the distribution of a source of timestamps; nil if it is unknown.
func (f *filler) by(source wire.Timestamps) *Distribution {
	switch source {
	case wire.TimestampsHardware:
		return &f.hardware
	case wire.TimestampsKernel:
		return &f.kernel
	case wire.TimestampsUser:
		return &f.user
	}
	return nil
}

// run is windows of which each overlaps one before it. They lie within one
// quarter of an hour, as every window does.
type run struct{ fromMS, toMS, usable int64 }

func newDayMaker(scope *Scope) *dayMaker {
	return &dayMaker{scope: scope, days: make([]*Day, len(scope.Calendar.Days)), day: -1, hour: -1}
}

// begin makes the empty records of [first, last] days.
func (m *dayMaker) begin(first, last int) {
	c := m.scope.Calendar
	for i := first; i <= last; i++ {
		m.days[i] = &Day{Date: c.Days[i]}
	}
	for _, h := range c.Hours {
		if h.Day >= first && h.Day <= last {
			m.days[h.Day].Bins = append(m.days[h.Day].Bins, Bin{FromMS: h.FromMS, Clock: h.Clock})
		}
	}
	m.any = false
}

// add takes the next window of the days that were begun.
func (m *dayMaker) add(record *store.Record) error {
	w, c := &record.Window, m.scope.Calendar
	if !c.contains(w.StartMS) || m.any && !m.follows(w) {
		return fmt.Errorf("read windows of %s>%s: the store gave %s out of order or range", m.scope.Src.ID, m.scope.Dst.ID, w.Key)
	}
	m.last.startMS, m.last.session, m.any = w.StartMS, w.Session, true
	hour := c.hourOf(w.StartMS)
	if day := c.Hours[hour].Day; day != m.day {
		m.closeDay()
		if m.days[day] == nil {
			return fmt.Errorf("read windows of %s>%s: the store gave %s out of order or range", m.scope.Src.ID, m.scope.Dst.ID, w.Key)
		}
		m.day, m.sum = day, sha256.New()
	}
	if hour != m.hour {
		m.closeHour()
		m.hour = hour
	}
	m.encoded = appendRecord(m.encoded[:0], record)
	m.sum.Write(m.encoded)
	day, foreign := m.days[m.day], m.scope.Foreign(w)
	m.note(&day.Facts, record, foreign)
	if foreign || w.Summary != nil && !counted(w) {
		return nil
	}
	return m.count(w, day)
}

// follows tells whether a window comes after the last one in their order.
func (m *dayMaker) follows(w *wire.Window) bool {
	return w.StartMS > m.last.startMS || w.StartMS == m.last.startMS && w.Session > m.last.session
}

// note counts a window without regard to the time of day.
func (m *dayMaker) note(f *Facts, record *store.Record, foreign bool) {
	w := &record.Window
	if f.Windows == 0 {
		f.FirstMS = w.StartMS
	}
	f.Windows++
	f.Conflicts += len(record.Conflicts)
	f.LastMS = max(f.LastMS, w.EndMS)
	m.origins.count(&f.Origins, w.Origin)
	m.meshes.count(&f.Meshes, w.MeshSHA256)
	if w.Received > w.Unstamped {
		m.timestamps.count(&f.Timestamps, w.Timestamps)
	}
	if !foreign {
		f.Probe.Count(w)
	}
	switch {
	case foreign:
		f.Foreign++
	case w.Summary != nil:
		f.note(w)
	default:
		f.Packets.add(&w.Counts)
		f.ClockRateMaxPPB = max(f.ClockRateMaxPPB, magnitude(w.Clock.FrequencyPPB))
		if w.STAMP != nil {
			f.ResidenceMaxUS = max(f.ResidenceMaxUS, w.STAMP.ResidenceMaxUS)
		}
	}
}

// note counts a window that only has a summary.
func (f *Facts) note(w *wire.Window) {
	f.Summaries++
	if !counted(w) {
		f.Uncounted++
		return
	}
	f.Packets.add(&w.Counts)
	if w.Summary.MinUS != nil {
		f.Given.Min++
	}
	if w.Summary.MeanUS != nil {
		f.Given.Mean++
	}
	if w.Summary.MaxUS != nil {
		f.Given.Max++
	}
}

func (p *Packets) add(c *wire.Counts) {
	p.Sent += int64(c.Sent)
	p.Received += int64(c.Received)
	p.Lost += int64(c.Lost)
	p.Late += int64(c.Late)
	p.Duplicate += int64(c.Duplicate)
	p.SendError += int64(c.SendError)
	p.Unstamped += int64(c.Unstamped)
}

// streak counts what mostly is the same as before, and so spares a map for
// each window.
type streak[K comparable] struct {
	key K
	n   int
}

func (s *streak[K]) count(into *map[K]int, key K) {
	if key != s.key {
		s.settle(into)
		s.key = key
	}
	s.n++
}

func (s *streak[K]) settle(into *map[K]int) {
	if s.n == 0 {
		return
	}
	if *into == nil {
		*into = map[K]int{}
	}
	(*into)[s.key] += s.n
	s.n = 0
}

// magnitude is that of the least number, too.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// count adds the samples of a window to the bin of its hour.
func (m *dayMaker) count(w *wire.Window, day *Day) (err error) {
	bin := &day.Bins[m.hour-m.firstHour(m.day)]
	fill := &m.fill[0]
	fill.share = &bin.Open
	if m.scope.excused(w.StartMS) {
		fill = &m.fill[1]
		fill.share = &bin.Excused
	}
	by := fill.by(w.Timestamps)
	if by == nil {
		return fmt.Errorf("window %s: its timestamps are %q, which this version does not know", w.Key, w.Timestamps)
	}
	if m.scratch, err = by.Add(w, m.scratch); err != nil {
		return err
	}
	if w.Summary != nil {
		fill.summed.add(w)
	}
	fill.add(w, m.scope.Test)
	if fill == &m.fill[1] {
		return nil // what is excused explains nothing
	}
	if w.STAMP != nil {
		bin.Path.ForwardLost += uint64(w.STAMP.ForwardLost)
		bin.Path.ReverseLost += uint64(w.STAMP.ReverseLost)
	}
	if w.ReplyTTL != nil {
		bin.Path.TTLChanges += int(w.ReplyTTL.Changes)
	}
	if w.Path != nil {
		bin.Path.Traces++
	}
	if w.OneWay != nil {
		if err := m.oneWay(w, &bin.Path); err != nil {
			return err
		}
	}
	return nil
}

func (m *dayMaker) oneWay(w *wire.Window, path *Path) (err error) {
	path.OneWayErrorUS = max(path.OneWayErrorUS, w.OneWay.ErrorUS)
	for _, way := range []struct {
		samples wire.Samples
		into    *Distribution
	}{{w.OneWay.Forward, &m.way.forward}, {w.OneWay.Reverse, &m.way.reverse}} {
		if m.scratch, err = wire.DecodeRTTs(m.scratch[:0], way.samples); err != nil {
			return fmt.Errorf("window %s: one-way delays: %w", w.Key, err)
		}
		for _, us := range m.scratch {
			way.into.count(us, 1)
		}
	}
	return nil
}

// add counts a window that starts no earlier than those before it.
func (f *filler) add(w *wire.Window, test *mesh.Test) {
	if w.StartMS >= f.run.toMS {
		f.settle(test)
		f.run = run{fromMS: w.StartMS}
	}
	f.run.toMS = max(f.run.toMS, w.EndMS)
	f.run.usable += int64(w.Sent) - int64(w.Unstamped)
}

// settle counts the run that is over. An interval that it only touches may
// hold one of its packets.
func (f *filler) settle(test *mesh.Test) {
	if f.run.usable > 0 {
		interval := int64(test.IntervalMS)
		slots := ceilDiv(f.run.toMS, interval) - f.run.fromMS/interval
		f.share.Usable += min(f.run.usable, slots)
	}
	f.run = run{}
}

// firstHour is the index of the first hour of a day in the calendar.
func (m *dayMaker) firstHour(day int) int {
	at, _ := slices.BinarySearchFunc(m.scope.Calendar.Hours, day, func(h Hour, day int) int { return cmp.Compare(h.Day, day) })
	return at
}

func (m *dayMaker) closeHour() {
	if m.hour < 0 {
		return
	}
	for i := range m.fill {
		fill := &m.fill[i]
		if fill.share == nil {
			continue
		}
		fill.settle(m.scope.Test)
		fill.hardware.drain(&fill.share.Hardware)
		fill.kernel.drain(&fill.share.Kernel)
		fill.user.drain(&fill.share.User)
		fill.summed.drain(&fill.share.Summed)
		fill.share = nil
	}
	bin := &m.days[m.day].Bins[m.hour-m.firstHour(m.day)]
	bin.findShortest()
	path := &bin.Path
	m.way.forward.drain(&path.Forward)
	m.way.reverse.drain(&path.Reverse)
	m.hour = -1
}

func (m *dayMaker) closeDay() {
	m.closeHour()
	if m.sum != nil {
		day := m.days[m.day]
		day.SHA256 = wire.Digest(m.sum.Sum(nil))
		day.sum()
		m.origins.settle(&day.Origins)
		m.meshes.settle(&day.Meshes)
		m.timestamps.settle(&day.Timestamps)
	}
	m.day, m.sum = -1, nil
}
