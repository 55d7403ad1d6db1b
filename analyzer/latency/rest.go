package latency

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"strings"
)

// A day at rest is written by hand and not by a library: a report over a month
// of a country reads 24 300 of them and has three seconds for all that it does.

var (
	errDay   = errors.New("latency: not the bytes of a day record")
	errHours = errors.New("latency: the hours are of other windows than the day")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary writes all but the histograms of the hours: numbers as varints,
// texts and lists with their length before them, maps sorted, and a checksum.
func (d *Day) MarshalBinary() ([]byte, error) {
	w := writer{}
	w.text(d.Date)
	w = append(w, d.SHA256[:]...)
	d.Facts.write(&w)
	w.uint(uint64(len(d.Bins)))
	d.Open.write(&w)
	d.Excused.write(&w)
	for i := range d.Bins {
		d.Bins[i].write(&w)
	}
	w.histograms(d.histograms())
	return withChecksum(w), nil
}

// UnmarshalBinary reads what MarshalBinary wrote. The hours are then at rest.
func (d *Day) UnmarshalBinary(data []byte) error { return d.unmarshal(data, true) }

// UnmarshalSums is UnmarshalBinary without the hours: of these there is no bin.
// Whoever draws a year of a country by days spares most of the time and memory.
func (d *Day) UnmarshalSums(data []byte) error { return d.unmarshal(data, false) }

func (d *Day) unmarshal(data []byte, hours bool) error {
	r, ok := checked(data)
	if !ok {
		return errDay
	}
	*d = Day{Date: r.text(), HoursAtRest: true}
	copy(d.SHA256[:], r.take(len(d.SHA256)))
	d.Facts.read(&r)
	bins := r.length()
	if r.bad {
		return errDay
	}
	if hours {
		d.Bins = make([]Bin, bins)
	}
	d.Open.read(&r)
	d.Excused.read(&r)
	var passed Bin
	for i := range bins {
		bin := &passed
		if hours {
			bin = &d.Bins[i]
		}
		bin.read(&r)
	}
	return r.histograms(d.histograms())
}

// MarshalHours writes the histograms of the hours, each after the other, behind
// the hash of the windows of the day that they are of.
func (d *Day) MarshalHours() []byte {
	w := writer(d.SHA256[:])
	w.histograms(d.hourly())
	return withChecksum(w)
}

// UnmarshalHours reads what MarshalHours wrote, into the same day while its
// hours are at rest.
func (d *Day) UnmarshalHours(data []byte) error {
	r, ok := checked(data)
	if !ok {
		return errDay
	}
	if r.take(len(d.SHA256)) != string(d.SHA256[:]) {
		return errHours
	}
	if err := r.histograms(d.hourly()); err != nil {
		return err
	}
	d.HoursAtRest = false
	return nil
}

// hourly are the histograms of the hours, in the order in which they are
// written.
func (d *Day) hourly() (all []*Histogram) {
	for i := range d.Bins {
		all = append(all, d.Bins[i].histograms()...)
	}
	return all
}

func withChecksum(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

func checked(data []byte) (reader, bool) {
	body := len(data) - 4
	if body < 0 || crc32.Checksum(data[:body], castagnoli) != binary.LittleEndian.Uint32(data[body:]) {
		return reader{}, false
	}
	return reader{data: string(data[:body])}, true
}

// counts are numbers of windows, in the order in which they are written.
func (f *Facts) counts() [8]*int {
	return [...]*int{&f.Windows, &f.Conflicts, &f.Summaries, &f.Uncounted, &f.Given.Min, &f.Given.Mean, &f.Given.Max, &f.Foreign}
}

func (f *Facts) write(w *writer) {
	f.Packets.write(w)
	for _, n := range f.counts() {
		w.ints(int64(*n))
	}
	w.ints(f.FirstMS, f.LastMS)
	writeCounts(w, f.Origins)
	writeCounts(w, f.Timestamps)
	writeCounts(w, f.Meshes)
	w.uint(uint64(f.ResidenceMaxUS))
	w.uint(f.ClockRateMaxPPB)
	f.Probe.write(w)
}

func (f *Facts) read(r *reader) {
	f.Packets.read(r)
	for _, n := range f.counts() {
		*n = int(r.int())
	}
	r.ints(&f.FirstMS, &f.LastMS)
	readCounts(r, &f.Origins)
	readCounts(r, &f.Timestamps)
	readCounts(r, &f.Meshes)
	f.ResidenceMaxUS = r.uint32()
	f.ClockRateMaxPPB = r.uint()
	f.Probe.read(r)
}

func writeCounts[K ~string](w *writer, counts map[K]int) {
	w.uint(uint64(len(counts)))
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		w.text(string(key))
		w.ints(int64(counts[key]))
	}
}

func readCounts[K ~string](r *reader, into *map[K]int) {
	for range r.length() {
		if *into == nil {
			*into = map[K]int{}
		}
		key := K(r.text())
		(*into)[key] = int(r.int())
	}
}

// histograms are in the order in which they are written.
func (s *Share) histograms() []*Histogram {
	return []*Histogram{&s.Hardware, &s.Kernel, &s.User, &s.Summed.Low, &s.Summed.High}
}

func (d *Day) histograms() []*Histogram {
	return append(d.Open.histograms(), d.Excused.histograms()...)
}

func (b *Bin) histograms() []*Histogram {
	return append(append(b.Open.histograms(), b.Excused.histograms()...), &b.Path.Forward, &b.Path.Reverse)
}

// write leaves the histograms out.
func (s *Share) write(w *writer) {
	w.ints(s.Usable)
	w.uint(s.Summed.LowUS)
	w.uint(s.Summed.HighUS)
	w.uint(s.Summed.Endless)
}

func (s *Share) read(r *reader) {
	s.Usable = r.int()
	s.Summed.LowUS, s.Summed.HighUS, s.Summed.Endless = r.uint(), r.uint(), r.uint()
}

// write leaves the histograms out.
func (b *Bin) write(w *writer) {
	w.ints(b.FromMS, int64(b.Clock), int64(b.Path.TTLChanges), int64(b.Path.Traces))
	b.Open.write(w)
	b.Excused.write(w)
	w.uint(b.Path.ForwardLost)
	w.uint(b.Path.ReverseLost)
	w.uint(uint64(b.Path.OneWayErrorUS))
	w.uint(uint64(b.ShortestUS))
	w.bool(b.HasRTT)
}

func (b *Bin) read(r *reader) {
	b.FromMS = r.int()
	b.Clock = int(r.int())
	b.Path.TTLChanges, b.Path.Traces = int(r.int()), int(r.int())
	b.Open.read(r)
	b.Excused.read(r)
	b.Path.ForwardLost, b.Path.ReverseLost = r.uint(), r.uint()
	b.Path.OneWayErrorUS = r.uint32()
	b.ShortestUS = r.uint32()
	b.HasRTT = r.uint() != 0
}

type writer []byte

func (w *writer) uint(v uint64) { *w = binary.AppendUvarint(*w, v) }

func (w *writer) ints(values ...int64) {
	for _, v := range values {
		*w = binary.AppendVarint(*w, v)
	}
}

func (w *writer) bool(v bool) {
	if v {
		w.uint(1)
	} else {
		w.uint(0)
	}
}

func (w *writer) text(s string) {
	w.uint(uint64(len(s)))
	*w = append(*w, s...)
}

func (w *writer) histograms(all []*Histogram) {
	for _, h := range all {
		w.text(string(*h))
	}
}

// reader takes values off a text, of which the histograms stay parts. Once
// something was wrong, all are zero.
type reader struct {
	data string
	bad  bool
}

func (r *reader) fail() { r.data, r.bad = "", true }

func (r *reader) uint() uint64 {
	v, rest, ok := uvarint(r.data)
	if !ok {
		r.fail()
		return 0
	}
	r.data = rest
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uint()
	if v > math.MaxUint32 {
		r.fail()
		return 0
	}
	return uint32(v)
}

// int undoes the zigzag of binary.AppendVarint.
func (r *reader) int() int64 {
	v := r.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) ints(into ...*int64) {
	for _, v := range into {
		*v = r.int()
	}
}

// length is of something whose elements take at least a byte each.
func (r *reader) length() int {
	n := r.uint()
	if n > uint64(len(r.data)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) take(n int) string {
	if n > len(r.data) {
		r.fail()
		return ""
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

// text is a copy, which keeps nothing else in memory.
func (r *reader) text() string { return strings.Clone(r.take(r.length())) }

// histograms reads all that is left.
func (r *reader) histograms(all []*Histogram) error {
	for _, h := range all {
		if *h = Histogram(r.take(r.length())); !h.whole() {
			return errDay
		}
	}
	if r.bad || len(r.data) > 0 {
		return errDay
	}
	return nil
}
