package verify

import (
	"context"

	"github.com/fibergauge/fibergauge/collector/store"
)

// reach says between which places of the journal the entries of a day stand, so
// that it need not be read whole for each part of the period.
type reach struct {
	before store.Cursor // of the entry before the first
	last   store.Cursor
	from   int // number of the first; 0 if the day has none
	to     int
}

// survey reads the journal once: which links it names, and where the entries of
// each day stand.
func (v *verification) survey(ctx context.Context) error {
	n := 0
	for e, err := range v.source.Journal(ctx, "") {
		if err != nil {
			return err
		}
		n++
		if len(e.Spans) == 0 {
			// It cannot be placed in time, and so concerns every day.
			v.touch(0, len(v.reach)-1, n, e.Cursor)
		}
		for _, s := range e.Spans {
			if s.LastMS < v.from || s.FirstMS >= v.to {
				continue
			}
			v.number(link{s.Src, s.Dst, s.Test})
			v.touch(int((max(s.FirstMS, v.from)-v.from)/dayMS), int((min(s.LastMS, v.to-1)-v.from)/dayMS), n, e.Cursor)
		}
		v.end = e.Cursor
	}
	return nil
}

// touch notes the entry of a number among those of days. v.end is the cursor of
// the one before it.
func (v *verification) touch(first, last, n int, cursor store.Cursor) {
	for day := first; day <= last; day++ {
		r := &v.reach[day]
		if r.from == 0 {
			r.before, r.from = v.end, n
		}
		r.last, r.to = cursor, n
	}
}

// entries judges what the journal has of a part.
func (v *verification) entries(ctx context.Context, p *part) error {
	var whole reach
	for day := (p.from - v.from) / dayMS; day*dayMS < p.to-v.from; day++ {
		r := v.reach[day]
		if r.from == 0 {
			continue
		}
		if whole.from == 0 || r.from < whole.from {
			whole.from, whole.before = r.from, r.before
		}
		if r.to > whole.to {
			whole.to, whole.last = r.to, r.last
		}
	}
	if whole.from != 0 {
		for e, err := range v.source.Journal(ctx, whole.before) {
			if err == nil && p.concerns(&e) {
				err = v.entry(ctx, p, &e)
			}
			if err != nil {
				return err
			}
			if e.Cursor == whole.last {
				break
			}
		}
	}
	return v.newcomers(ctx, p)
}

// newcomers has the entries speak that came since the verification began: some
// of the windows of the part may be theirs. What they brought need not be there
// yet, nor are they counted, because some may have been met before.
func (v *verification) newcomers(ctx context.Context, p *part) error {
	for e, err := range v.source.Journal(ctx, v.end) {
		if err != nil {
			return err
		}
		if !p.concerns(&e) {
			continue
		}
		worth, code := v.judge(&e)
		if code != "" && v.reports(p, &e) {
			v.findings.add(findingOf(&e, code))
		}
		v.speak(p, &e, worth) // what it brought is not counted
		if worth == unstated {
			for _, s := range e.Spans {
				p.old = append(p.old, oldSpan{link: v.number(link{s.Src, s.Dst, s.Test}), firstMS: s.FirstMS, lastMS: s.LastMS})
			}
		}
	}
	return nil
}
