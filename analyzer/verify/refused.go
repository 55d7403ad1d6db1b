package verify

import (
	"context"

	"github.com/fibergauge/fibergauge/collector/store"
)

// shortfall is a batch of which more was stated than brought. A collector that
// refuses windows leaves one, and so does whoever removes windows and lowers the
// numbers of their entry, which nobody signs.
type shortfall struct {
	entry  *Entry // the first
	stated int
	there  int              // in the period
	lost   int              // which are findings by themselves
	part   int64            // in which they were counted last
	beyond map[shortID]bool // there, but not in the period
}

// refused counts, of a batch of which more was stated than an entry brought, what
// is there: there in this part. Its windows may be in several parts, and several
// entries may state it.
func (v *verification) refused(ctx context.Context, p *part, e *store.Entry, there int) error {
	if len(e.Statement) <= e.Windows {
		return nil
	}
	name := batch{e.Site, e.Batch}
	s := v.short[name]
	if s == nil {
		s = &shortfall{entry: entryOf(e), stated: len(e.Statement), part: v.from - 1, beyond: map[shortID]bool{}}
		v.short[name] = s
	}
	if s.part < p.from {
		s.part = p.from
		s.there += there
	}
	if !v.reports(p, e) {
		return nil
	}
	for _, span := range e.Spans {
		for _, outside := range [2][2]int64{{span.FirstMS, min(v.from, span.LastMS+1)}, {max(v.to, span.FirstMS), span.LastMS + 1}} {
			if outside[0] >= outside[1] || span.Src != e.Site {
				continue
			}
			if err := v.beyond(ctx, e, s, store.Query{Src: span.Src, Dst: span.Dst, Test: span.Test, FromMS: outside[0], ToMS: outside[1]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// beyond notes which of the windows that an entry states are there outside the
// period.
func (v *verification) beyond(ctx context.Context, e *store.Entry, s *shortfall, q store.Query) error {
	stated := map[shortID]bool{}
	for _, digest := range e.Statement {
		stated[shorten(digest)] = true
	}
	for r, err := range v.source.Windows(ctx, q) {
		if err != nil {
			return err
		}
		for _, digest := range digests(&r) {
			if id := shorten(digest); stated[id] {
				s.beyond[id] = true
			}
		}
	}
	return nil
}

// concludeRefused counts what was stated and is nowhere.
func (v *verification) concludeRefused() {
	for name, s := range v.short {
		n := s.stated - s.there - len(s.beyond) - s.lost
		if n <= 0 {
			continue
		}
		v.site(name.site).Refused += n
		if v.options.Strict {
			v.findings.add(Finding{Code: WindowRefused, Site: name.site, Entry: s.entry, Windows: n})
		}
	}
}
