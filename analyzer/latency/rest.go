package latency

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"slices"
)

// A day at rest is written by hand and not by a library: a report over a month
// of a country reads 24 300 of them, with some hundred million numbers, and has
// three seconds for all that it does.

var errDay = errors.New("latency: not the bytes of a day record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary writes all but the histograms of the hours: numbers as varints,
// texts and lists with their length before them, maps sorted, and a checksum.
func (d *Day) MarshalBinary() ([]byte, error) {
	w := writer{}
	w.text(d.Date)
	w = append(w, d.SHA256[:]...)
	d.Facts.write(&w)
	w.uint(uint64(len(d.Bins)))
	w.uint(uint64(values(d.histograms())))
	d.Open.write(&w)
	d.Excused.write(&w)
	for i := range d.Bins {
		d.Bins[i].write(&w)
	}
	for _, h := range d.histograms() {
		w.histogram(h)
	}
	return withChecksum(w), nil
}

// UnmarshalBinary reads what MarshalBinary wrote. The hours are then at rest.
func (d *Day) UnmarshalBinary(data []byte) error {
	r, ok := checked(data)
	if !ok {
		return errDay
	}
	*d = Day{Date: r.text(), HoursAtRest: true}
	copy(d.SHA256[:], r.take(len(d.SHA256)))
	d.Facts.read(&r)
	bins, values := r.length(), r.length()
	if r.bad {
		return errDay
	}
	d.Bins = make([]Bin, bins)
	d.Open.read(&r)
	d.Excused.read(&r)
	for i := range d.Bins {
		d.Bins[i].read(&r)
	}
	return r.histograms(d.histograms(), values)
}

// MarshalHours writes the histograms of the hours, each after the other.
func (d *Day) MarshalHours() []byte {
	var all []*Histogram
	for i := range d.Bins {
		all = append(all, d.Bins[i].histograms()...)
	}
	w := writer{}
	w.uint(uint64(values(all)))
	for _, h := range all {
		w.histogram(h)
	}
	return withChecksum(w)
}

// UnmarshalHours reads what MarshalHours wrote, into a day whose hours are at
// rest.
func (d *Day) UnmarshalHours(data []byte) error {
	r, ok := checked(data)
	if !ok {
		return errDay
	}
	var all []*Histogram
	for i := range d.Bins {
		all = append(all, d.Bins[i].histograms()...)
	}
	if err := r.histograms(all, r.length()); err != nil {
		return err
	}
	d.HoursAtRest = false
	return nil
}

func withChecksum(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

func checked(data []byte) (reader, bool) {
	body := len(data) - 4
	if body < 0 || crc32.Checksum(data[:body], castagnoli) != binary.LittleEndian.Uint32(data[body:]) {
		return reader{}, false
	}
	return reader{data: data[:body]}, true
}

// values is how many RTTs differ in each histogram, together.
func values(all []*Histogram) (n int) {
	for _, h := range all {
		n += len(h.US)
	}
	return n
}

// counts are numbers of windows, in the order in which they are written.
func (f *Facts) counts() [8]*int {
	return [...]*int{&f.Windows, &f.Conflicts, &f.Summaries, &f.Uncounted, &f.Given.Min, &f.Given.Mean, &f.Given.Max, &f.Foreign}
}

func (f *Facts) write(w *writer) {
	p := &f.Packets
	w.ints(p.Sent, p.Received, p.Lost, p.Late, p.Duplicate, p.SendError, p.Unstamped)
	for _, n := range f.counts() {
		w.ints(int64(*n))
	}
	w.ints(f.FirstMS, f.LastMS)
	writeCounts(w, f.Origins)
	writeCounts(w, f.Timestamps)
	writeCounts(w, f.Meshes)
	w.uint(uint64(f.ResidenceMaxUS))
	w.uint(f.ClockRateMaxPPB)
}

func (f *Facts) read(r *reader) {
	p := &f.Packets
	r.ints(&p.Sent, &p.Received, &p.Lost, &p.Late, &p.Duplicate, &p.SendError, &p.Unstamped)
	for _, n := range f.counts() {
		*n = int(r.int())
	}
	r.ints(&f.FirstMS, &f.LastMS)
	readCounts(r, &f.Origins)
	readCounts(r, &f.Timestamps)
	readCounts(r, &f.Meshes)
	f.ResidenceMaxUS = r.uint32()
	f.ClockRateMaxPPB = r.uint()
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

// histogram writes the number of RTTs, each as the difference to the one
// before and how often it occurred, and the losses.
func (w *writer) histogram(h *Histogram) {
	w.uint(uint64(len(h.US)))
	last := uint32(0)
	for i, us := range h.US {
		w.uint(uint64(us - last))
		w.uint(uint64(h.N[i]))
		last = us
	}
	w.uint(h.Lost)
}

// reader takes values off data. Once something was wrong, all are zero.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) fail() { r.data, r.bad = nil, true }

// uvarint is a number and how many bytes it takes; 0 if it is none.
func uvarint(data []byte) (v uint64, n int) {
	if len(data) > 0 && data[0] < 0x80 { // which nearly all are
		return uint64(data[0]), 1
	}
	v, n = binary.Uvarint(data)
	return v, max(n, 0)
}

func (r *reader) uint() uint64 {
	v, n := uvarint(r.data)
	if n == 0 {
		r.fail()
		return 0
	}
	r.data = r.data[n:]
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

func (r *reader) int() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.data = r.data[n:]
	return v
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

func (r *reader) take(n int) []byte {
	if n > len(r.data) {
		r.fail()
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) text() string { return string(r.take(r.length())) }

// histograms reads all that is left: into one piece of memory for all of them.
func (r *reader) histograms(all []*Histogram, values int) error {
	room := make([]uint32, 2*values)
	for _, h := range all {
		room = r.histogram(h, room)
	}
	if r.bad || len(r.data) > 0 || len(room) > 0 {
		return errDay
	}
	return nil
}

// histogram puts values and counts into room and gives what is left of it.
func (r *reader) histogram(h *Histogram, room []uint32) []uint32 {
	n := r.length()
	if 2*n > len(room) {
		r.fail()
		return nil
	}
	if n > 0 {
		h.US, h.N = room[:n:n], room[n:2*n:2*n]
	}
	// Here by index: to move r.data at each number costs more than the number.
	data, at, us := r.data, 0, uint64(0)
	for i := range h.US {
		step, n := uvarint(data[at:])
		count, m := uvarint(data[at+n:])
		at += n + m
		us += step
		if n == 0 || m == 0 || us > math.MaxUint32 || count == 0 || count > math.MaxUint32 || i > 0 && step == 0 {
			r.fail()
			return nil
		}
		h.US[i], h.N[i] = uint32(us), uint32(count)
	}
	r.data = data[at:]
	h.Lost = r.uint()
	return room[2*n:]
}
