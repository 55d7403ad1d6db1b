package influx

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// chunkNS is how much of a link is read at once: what a day holds fits in
// memory and in the server's sort.
const chunkNS = int64(24 * time.Hour)

// Windows reads a day at a time.
func (s *Reader) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		link := []tag{{"src", q.Src}, {"dst", q.Dst}, {"test", q.Test}}
		sel := selection{
			measurement: "rtt", document: "window", small: "end_reason", tags: link,
			order: []string{"src_cluster", "dst_cluster", "carrier", "plane", "method"},
		}.between(ms(q.FromMS), ms(q.ToMS))
		for part, err := range s.chunks(ctx, sel, chunkNS) {
			var records []store.Record
			if err == nil {
				records, err = s.records(ctx, part)
			}
			if err != nil {
				yield(store.Record{}, s.explain(ctx, "read windows", err, reading))
				return
			}
			for _, r := range records {
				if err := ctx.Err(); err != nil {
					yield(store.Record{}, err)
					return
				}
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// ms turns a bound in milliseconds into nanoseconds, cut to what can be
// stored.
func ms(v int64) int64 { return min(max(v, 0), endMS) * nsPerMS }

// version is one window with what orders it among those of its key.
type version struct {
	window wire.Window
	digest wire.Digest
	atMS   int64
}

// records makes the records of one chunk, sorted by key.
func (s *Reader) records(ctx context.Context, part chunk) ([]store.Record, error) {
	versions := make([]version, len(part.documents))
	for i, d := range part.documents {
		v := &versions[i]
		if err := decode(d, &v.window); err != nil {
			return nil, err
		}
		v.digest = sha256.Sum256([]byte(d.text))
	}
	// The server's order is by start and hash; the contract's by start and
	// session.
	slices.SortStableFunc(versions, func(a, b version) int { return compareKeys(&a.window, &b.window) })

	var admissions map[admissionKey]int64 // read when the first conflict is met
	records := make([]store.Record, 0, len(versions))
	for len(versions) > 0 {
		n := 1
		for n < len(versions) && versions[n].window.Key == versions[0].window.Key {
			n++
		}
		same := distinct(versions[:n])
		versions = versions[n:]
		if len(same) > 1 {
			if admissions == nil {
				var err error
				if admissions, err = s.admissions(ctx, part.selection); err != nil {
					return nil, err
				}
			}
			orderByAdmission(same, admissions)
		}
		r := store.Record{Window: same[0].window}
		for _, other := range same[1:] {
			r.Conflicts = append(r.Conflicts, other.window)
		}
		records = append(records, r)
	}
	return records, nil
}

func compareKeys(a, b *wire.Window) int {
	return cmp.Or(cmp.Compare(a.StartMS, b.StartMS), cmp.Compare(a.Session, b.Session))
}

// distinct keeps one of each content: after a change of the secret a window
// can stand in two places.
func distinct(same []version) []version {
	if len(same) == 1 {
		return same
	}
	seen := map[wire.Digest]bool{}
	return slices.DeleteFunc(slices.Clone(same), func(v version) bool {
		again := seen[v.digest]
		seen[v.digest] = true
		return again
	})
}

type admissionKey struct {
	startMS int64
	digest  string // as in admitted
}

// admissions reads when the windows of a chunk were first admitted.
func (s *Reader) admissions(ctx context.Context, windows selection) (map[admissionKey]int64, error) {
	documents, err := s.documents(ctx, selection{
		measurement: "admitted", document: "admission", tags: windows.tags, fromNS: windows.fromNS / nsPerMS * nsPerMS,
		// The digits below the millisecond are others than the window's.
		toNS: (windows.toNS + nsPerMS - 1) / nsPerMS * nsPerMS,
	})
	if err != nil {
		return nil, err
	}
	first := make(map[admissionKey]int64, len(documents))
	for _, d := range documents {
		var a admitted
		if err := decode(d, &a); err != nil {
			return nil, err
		}
		key := admissionKey{d.atNS / nsPerMS, a.Digest}
		if atMS, known := first[key]; !known || a.AtMS < atMS {
			first[key] = a.AtMS
		}
	}
	return first, nil
}

// orderByAdmission puts the earliest first, ties by digest, and last what
// nothing dates.
func orderByAdmission(same []version, admissions map[admissionKey]int64) {
	for i := range same {
		v := &same[i]
		v.atMS = math.MaxInt64
		if atMS, known := admissions[admissionKey{v.window.StartMS, shorten(v.digest)}]; known {
			v.atMS = atMS
		}
	}
	slices.SortFunc(same, func(a, b version) int {
		return cmp.Or(cmp.Compare(a.atMS, b.atMS), bytes.Compare(a.digest[:], b.digest[:]))
	})
}
