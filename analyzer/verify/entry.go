package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// lenience is how much earlier than a window begins it may have been admitted:
// clocks differ, and collectors allow for that.
const lenience = time.Hour

// judge tells what an entry is worth as evidence, and what is wrong with it;
// code is empty if nothing is.
func (v *verification) judge(e *store.Entry) (worth evidence, code string) {
	admitted := 0
	for _, s := range e.Spans {
		admitted += s.Windows
		if time.UnixMilli(s.LastMS).After(e.At.Add(lenience)) {
			return faulty, AdmittedTooEarly
		}
		if s.Src != e.Site {
			return faulty, EntryChanged
		}
	}
	keys := v.keys[e.Site]
	hasKey := slices.ContainsFunc(keys, func(k store.SigningKey) bool { return k.InForce(e.At) })
	canonical := wire.Statement(e.Site, e.Statement)
	sum := sha256.Sum256(canonical)
	switch {
	case admitted != e.Windows:
		return faulty, EntryChanged
	case len(e.Statement) == 0 && (e.Signature != nil || hasKey):
		return faulty, StatementMissing
	case len(e.Statement) == 0:
		return unstated, ""
	case hex.EncodeToString(sum[:]) != e.Batch:
		return faulty, StatementWrong
	case e.Signature == nil && hasKey:
		return faulty, SignatureMissing
	case e.Signature == nil:
		return unsigned, ""
	}
	at := slices.IndexFunc(keys, func(k store.SigningKey) bool { return k.ID() == e.Signature.KeyID })
	switch {
	case at < 0:
		return faulty, KeyUnknown
	case !keys[at].InForce(e.At):
		return faulty, KeyNotInForce
	case e.Signature.Verify(keys[at].Key, canonical) != nil:
		return faulty, SignatureWrong
	}
	return signed, ""
}

// entry judges an entry, has it speak for the windows that it states, and looks
// whether all that it brought is there.
func (v *verification) entry(ctx context.Context, p *part, e *store.Entry) error {
	worth, code := v.judge(e)
	if v.reports(p, e) {
		v.count(e, worth)
		if code != "" {
			v.findings.add(findingOf(e, code))
		}
	}
	found, there := v.speak(p, e, worth)
	if err := v.refused(ctx, p, e, there); err != nil {
		return err
	}
	if code == StatementWrong || len(e.Statement) == 0 && worth != unstated {
		return nil // which windows it brought is not known any more
	}
	for _, s := range e.Spans {
		if s.LastMS < p.from || s.FirstMS >= p.to || s.Src != e.Site {
			continue
		}
		number := v.number(link{s.Src, s.Dst, s.Test})
		if worth == unstated {
			p.old = append(p.old, oldSpan{number, s.FirstMS, s.LastMS, s.Windows, entryOf(e)})
			continue
		}
		within := s.FirstMS >= p.from && s.LastMS < p.to
		if within && found[number] >= s.Windows || !within && !v.begins(p, s.FirstMS) {
			continue
		}
		if err := v.missing(ctx, e, s); err != nil {
			return err
		}
	}
	return nil
}

func entryOf(e *store.Entry) *Entry {
	return &Entry{e.At.UTC().Format("2006-01-02T15:04:05.000Z"), e.Batch}
}

func findingOf(e *store.Entry, code string) Finding {
	f := Finding{Code: code, Site: e.Site, Entry: entryOf(e), Windows: e.Windows}
	if e.Signature != nil {
		f.KeyID = e.Signature.KeyID
	}
	return f
}

// speak has an entry speak for the windows that it states, and counts those that
// are there, and by link those that lie in its spans.
func (v *verification) speak(p *part, e *store.Entry, worth evidence) (found map[uint32]int, there int) {
	spans := map[uint32]store.Span{}
	for _, s := range e.Spans {
		spans[v.number(link{s.Src, s.Dst, s.Test})] = s
	}
	found = map[uint32]int{}
	for _, digest := range e.Statement {
		w := p.find(digest)
		// A site may state what it likes of others' links; no collector admits it.
		if w == nil || v.links[w.link].src != e.Site {
			continue
		}
		there++
		w.evidence = max(w.evidence, worth)
		p.date(digest, e.At.UnixMilli())
		if s, ok := spans[w.link]; ok && s.FirstMS <= w.startMS && w.startMS <= s.LastMS {
			found[w.link]++
		}
	}
	return found, there
}

// begins tells whether something that begins at a moment is told of in this
// part, and not in one before it.
func (v *verification) begins(p *part, firstMS int64) bool {
	first := max(firstMS, v.from)
	return first >= p.from && first < p.to
}

// reports tells whether an entry is told of in this part.
func (v *verification) reports(p *part, e *store.Entry) bool {
	first, dated := int64(0), false
	for _, s := range e.Spans {
		if s.LastMS >= v.from && s.FirstMS < v.to && (!dated || s.FirstMS < first) {
			first, dated = s.FirstMS, true
		}
	}
	return v.begins(p, first)
}

func (v *verification) count(e *store.Entry, worth evidence) {
	s := v.site(e.Site)
	s.Entries++
	if worth == signed {
		s.SignedEntries++
		v.used[e.Site+" "+e.Signature.KeyID]++
	}
	if !v.archived[e.MeshSHA256] {
		v.unmeshed[e.MeshSHA256] += 0 // named, though no window may name it
	}
}

// missing asks the store itself for the windows that an entry brought: those of
// the part may have been read before they were stored, or not contain the whole
// span.
func (v *verification) missing(ctx context.Context, e *store.Entry, s store.Span) error {
	stored := map[wire.Digest]bool{}
	for r, err := range v.source.Windows(ctx, store.Query{Src: s.Src, Dst: s.Dst, Test: s.Test, FromMS: s.FirstMS, ToMS: s.LastMS + 1}) {
		if err != nil {
			return err
		}
		for _, digest := range digests(&r) {
			stored[digest] = true
		}
	}
	found := 0
	for _, digest := range e.Statement {
		if stored[digest] {
			found++
		}
	}
	if found < s.Windows {
		v.lost(e.Site, s, s.Windows-found, entryOf(e))
	}
	return nil
}

func (v *verification) lost(site string, s store.Span, n int, ref *Entry) {
	v.site(site).Lost += n
	if s := v.short[batch{site, ref.Batch}]; s != nil {
		s.lost += n
	}
	v.findings.add(Finding{Code: WindowLost, Site: site, Entry: ref, Windows: n, Span: &Span{s.Src, s.Dst, s.Test, s.FirstMS, s.LastMS, s.Windows}})
}

// unstatedLost looks whether of entries without statements at least as many
// windows are there as they brought.
func (v *verification) unstatedLost(ctx context.Context, p *part) error {
	if len(p.old) == 0 {
		return nil
	}
	starts := p.starts()
	for _, s := range p.old {
		within := s.firstMS >= p.from && s.lastMS < p.to
		if !within && !v.begins(p, s.firstMS) {
			continue
		}
		first, _ := slices.BinarySearch(starts[s.link], s.firstMS)
		end, _ := slices.BinarySearch(starts[s.link], s.lastMS+1)
		if end-first >= s.windows {
			continue
		}
		l, found := v.links[s.link], 0
		for r, err := range v.source.Windows(ctx, store.Query{Src: l.src, Dst: l.dst, Test: l.test, FromMS: s.firstMS, ToMS: s.lastMS + 1}) {
			if err != nil {
				return err
			}
			found += 1 + len(r.Conflicts)
		}
		if found < s.windows {
			v.lost(l.src, store.Span{Src: l.src, Dst: l.dst, Test: l.test, FirstMS: s.firstMS, LastMS: s.lastMS, Windows: s.windows}, s.windows-found, s.entry)
		}
	}
	return nil
}
