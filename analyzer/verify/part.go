package verify

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"slices"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// evidence is what speaks for a window, from the worst to the best.
type evidence uint8

const (
	nothing  evidence = iota // no entry of the journal
	faulty                   // only entries that are findings themselves
	unstated                 // an entry of before statements were kept
	unsigned                 // an entry without signature, when the site had no key
	signed                   // an entry with a good signature
)

// shortID is the beginning of a digest: long enough that nobody can make
// another window for it, and half as long as the whole.
type shortID [16]byte

func shorten(d wire.Digest) shortID { return shortID(d[:16]) }

// held is a window of which only that is kept which is needed to find it again.
type held struct {
	id       shortID
	session  uint64
	startMS  int64
	link     uint32
	evidence evidence
}

// part is the windows of some days. They stand in buckets by the first byte of
// their ids, so that no slice is large while it grows.
type part struct {
	from, to  int64 // Unix milliseconds
	buckets   [256][]held
	conflicts []store.Record
	// first has, of windows in conflict, when they were first admitted by the
	// journal; 0 before that is known.
	first map[shortID]int64
	// old has the spans of entries without statements.
	old []oldSpan
}

// oldSpan is a span of an entry that does not say which windows they were.
type oldSpan struct {
	link    uint32
	firstMS int64
	lastMS  int64
	windows int
	entry   *Entry
}

func (p *part) add(windows []held) {
	for _, w := range windows {
		bucket := &p.buckets[w.id[0]]
		*bucket = append(*bucket, w)
	}
}

func (p *part) len() (n int) {
	for i := range p.buckets {
		n += len(p.buckets[i])
	}
	return n
}

func (p *part) sort() {
	for i := range p.buckets {
		slices.SortFunc(p.buckets[i], func(a, b held) int { return bytes.Compare(a.id[:], b.id[:]) })
	}
}

// find gives the window with a digest; nil if it is not stored in these days.
func (p *part) find(digest wire.Digest) *held {
	id := shorten(digest)
	bucket := p.buckets[id[0]]
	at, found := slices.BinarySearchFunc(bucket, id, func(w held, id shortID) int { return bytes.Compare(w.id[:], id[:]) })
	if !found {
		return nil
	}
	return &bucket[at]
}

// concerns tells whether windows of an entry may be in the part. One without
// spans cannot be placed in time, and so concerns every part.
func (p *part) concerns(e *store.Entry) bool {
	return len(e.Spans) == 0 || slices.ContainsFunc(e.Spans, func(s store.Span) bool { return s.LastMS >= p.from && s.FirstMS < p.to })
}

// note asks for the first admission of a window in conflict.
func (p *part) note(digest wire.Digest) {
	if p.first == nil {
		p.first = map[shortID]int64{}
	}
	p.first[shorten(digest)] = 0
}

// date tells of an admission.
func (p *part) date(digest wire.Digest, atMS int64) {
	if p.first == nil {
		return
	}
	if first, noted := p.first[shorten(digest)]; noted && (first == 0 || atMS < first) {
		p.first[shorten(digest)] = atMS
	}
}

func (p *part) admitted(digest wire.Digest) (atMS int64, known bool) {
	atMS = p.first[shorten(digest)]
	return atMS, atMS != 0
}

// markUnstated marks the windows for which only entries without statements
// speak.
func (p *part) markUnstated() {
	if len(p.old) == 0 {
		return
	}
	slices.SortFunc(p.old, func(a, b oldSpan) int { return cmp.Or(cmp.Compare(a.link, b.link), cmp.Compare(a.firstMS, b.firstMS)) })
	// Joined, they can be searched: none overlaps the next.
	var joined []oldSpan
	for _, s := range p.old {
		if n := len(joined); n > 0 && joined[n-1].link == s.link && s.firstMS <= joined[n-1].lastMS {
			joined[n-1].lastMS = max(joined[n-1].lastMS, s.lastMS)
			continue
		}
		joined = append(joined, s)
	}
	for i := range p.buckets {
		for j := range p.buckets[i] {
			w := &p.buckets[i][j]
			if w.evidence >= unstated {
				continue
			}
			// The last that begins at or before the window.
			at, found := slices.BinarySearchFunc(joined, w, func(s oldSpan, w *held) int {
				return cmp.Or(cmp.Compare(s.link, w.link), cmp.Compare(s.firstMS, w.startMS))
			})
			if !found {
				at--
			}
			if at >= 0 && joined[at].link == w.link && joined[at].lastMS >= w.startMS {
				w.evidence = unstated
			}
		}
	}
}

// starts gives the starts of each link's windows, ascending.
func (p *part) starts() map[uint32][]int64 {
	starts := map[uint32][]int64{}
	for i := range p.buckets {
		for j := range p.buckets[i] {
			w := &p.buckets[i][j]
			starts[w.link] = append(starts[w.link], w.startMS)
		}
	}
	for _, s := range starts {
		slices.Sort(s)
	}
	return starts
}

func refOf(l link, w *held) *Window {
	return &Window{Src: l.src, Dst: l.dst, Test: l.test, Session: w.session, StartMS: w.startMS, SHA256: hex.EncodeToString(w.id[:])}
}
