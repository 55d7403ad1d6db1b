package series

import (
	"context"
	"fmt"
	"sync"

	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// Sums keeps what ends measured in whole months, so that a point of a year need
// not be made of the days again. It is safe for use by several goroutines.
type Sums struct {
	most int // bytes

	mu     sync.Mutex // protects all following fields
	bytes  int
	asked  int64 // counts how often a month was
	months map[sumKey]*monthSums
}

// NewSums makes one that keeps about so many bytes.
func NewSums(most int) *Sums { return &Sums{most: most, months: map[sumKey]*monthSums{}} }

// sumKey names a month, by the mesh of its time.
type sumKey struct {
	mesh, test string
	latency.Span
}

// monthSums are those of the ends that were asked for.
type monthSums struct {
	generation int64 // of the session that made the first: what is touched later spoils all
	asked      int64
	ends       map[[2]string]sum // by the sites
}

// sum is all packets of an end, and whether works excuse some.
type sum struct {
	packets latency.Histogram
	works   bool
}

// sumOf puts days together.
func sumOf(days []*latency.Day) (of sum) {
	var all latency.Distribution
	for _, day := range days {
		for i, share := range []*latency.Share{&day.Open, &day.Excused} {
			for _, h := range share.Sources() {
				if h.Packets() > 0 {
					all.AddHistogram(h)
					of.works = of.works || i == 1
				}
			}
		}
	}
	of.packets = all.Histogram()
	return of
}

// shares gives a sum as a day is given: the source of its timestamps, which may
// be several, is not told.
func (s sum) shares() (open, excused *latency.Share) {
	open, excused = &latency.Share{}, &latency.Share{}
	if s.works {
		excused.Kernel = s.packets
	} else {
		open.Kernel = s.packets
	}
	return open, excused
}

// month gives what is kept of a month, unless one of its days has changed since.
// Nobody may change it.
func (s *Sums) month(ctx context.Context, key sumKey, from *Source) (map[[2]string]sum, error) {
	s.mu.Lock()
	m := s.months[key]
	s.mu.Unlock()
	if m == nil {
		return nil, nil
	}
	changed, err := from.Changed(ctx, key.Span, m.generation)
	if err != nil {
		return nil, fmt.Errorf("days that changed: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if changed {
		if s.months[key] == m {
			s.drop(key)
		}
		return nil, nil
	}
	s.asked++
	m.asked = s.asked
	return m.ends, nil
}

// keep adds sums to those of a month. What was made of an older session than that
// of what is there goes with it: it has not changed in between.
func (s *Sums) keep(key sumKey, generation int64, more map[[2]string]sum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Who reads the map that is there goes on reading it.
	ends, asked := map[[2]string]sum{}, s.asked
	if old := s.months[key]; old != nil {
		for end, of := range old.ends {
			ends[end] = of
		}
		generation = min(generation, old.generation)
		s.drop(key)
	}
	for end, of := range more {
		ends[end] = of
	}
	s.months[key] = &monthSums{generation, asked, ends}
	for _, of := range ends {
		s.bytes += of.size()
	}
	for s.bytes > s.most && len(s.months) > 0 {
		s.dropOldest()
	}
}

// size is what a sum takes, about.
func (s sum) size() int { return len(s.packets) + 128 }

func (s *Sums) drop(key sumKey) {
	for _, of := range s.months[key].ends {
		s.bytes -= of.size()
	}
	delete(s.months, key)
}

// dropOldest drops the month that was not asked for the longest.
func (s *Sums) dropOldest() {
	var oldest sumKey
	found := false
	for key, m := range s.months {
		if !found || m.asked < s.months[oldest].asked || m.asked == s.months[oldest].asked && key.FromMS < oldest.FromMS {
			oldest, found = key, true
		}
	}
	s.drop(oldest)
}
