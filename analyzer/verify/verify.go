// Package verify checks what a store holds of a period against what the sites
// stated and signed: every window against the statements of the journal, every
// statement against its signature, every signature against the archived keys,
// and every entry of the journal against the windows that it brought.
//
// It reads from a store.Reader and trusts nothing there but the keys, which it
// names so that they can be compared with those of the sites.
package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Source is what is verified; every store.Reader is one.
type Source interface {
	Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error]
	Journal(ctx context.Context, after store.Cursor) iter.Seq2[store.Entry, error]
	Meshes(ctx context.Context) ([]store.MeshVersion, error)
	SigningKeys(ctx context.Context) ([]store.SigningKey, error)
}

// Options are what a verification needs besides its data.
type Options struct {
	GeneratedBy string // program and version
	// Held is how many windows are held in memory at once, and up to a day
	// more; 0 means DefaultHeld.
	Held int
	// Strict finds fault also with windows that are not signed, and with windows
	// that a site stated and a collector refused, or so it seems: who may write
	// the store can strip signatures with their keys, and let windows that he
	// removed pass for refused ones.
	Strict bool
	// Progress, if set, is told after each day how many of all are read.
	Progress func(done, total int)
}

// DefaultHeld takes a week of the national mesh.
const DefaultHeld = 1_000_000

const dayMS = 24 * 60 * 60 * 1000

// verification is one under way.
type verification struct {
	source   Source
	options  Options
	from, to int64 // of the period, in Unix milliseconds
	keys     map[string][]store.SigningKey
	archived map[string]bool // mesh versions
	links    []link
	numbers  map[link]uint32 // places in links
	reach    []reach         // of each day
	end      store.Cursor    // of the journal, when the verification began

	sites    map[string]*Site
	used     map[string]int // entries that are good by a key, by site and id
	unmeshed map[string]int // windows by mesh versions that are not archived
	short    map[batch]*shortfall
	result   *Result
	findings findings
}

type link struct{ src, dst, test string }

type batch struct{ site, digest string }

// Run verifies a period. The links of the mesh, of the archived meshes and of
// the journal are looked at; what stands in the store beside them is in nobody's
// report.
func Run(ctx context.Context, source Source, m *mesh.Mesh, period report.Period, o Options) (*Result, error) {
	o.Held = cmp.Or(o.Held, DefaultHeld)
	v := &verification{
		source: source, options: o, from: period.From.UnixMilli(), to: period.To.UnixMilli(),
		keys: map[string][]store.SigningKey{}, archived: map[string]bool{}, numbers: map[link]uint32{},
		reach: make([]reach, (period.To.UnixMilli()-period.From.UnixMilli()+dayMS-1)/dayMS),
		sites: map[string]*Site{}, used: map[string]int{}, unmeshed: map[string]int{}, short: map[batch]*shortfall{},
		result: &Result{
			Schema: SchemaVerification, GeneratedBy: o.GeneratedBy,
			From: period.From.Format(time.RFC3339), To: period.To.Format(time.RFC3339), TimeZone: m.TimeZone,
		},
	}
	if err := v.prepare(ctx, m); err != nil {
		return nil, err
	}
	for from := v.from; from < v.to; {
		part, err := v.readPart(ctx, from)
		if err != nil {
			return nil, err
		}
		if err := v.hold(ctx, part); err != nil {
			return nil, err
		}
		from = part.to
	}
	return v.conclude(), nil
}

// prepare reads keys and meshes, and finds out which links there are.
func (v *verification) prepare(ctx context.Context, m *mesh.Mesh) error {
	keys, err := v.source.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		v.keys[k.Site] = append(v.keys[k.Site], k)
	}
	versions, err := v.source.Meshes(ctx)
	if err != nil {
		return err
	}
	v.addLinks(m)
	for _, version := range versions {
		v.archived[version.SHA256] = true
		if sum := sha256.Sum256(version.Bytes); hex.EncodeToString(sum[:]) != version.SHA256 {
			v.findings.add(Finding{Code: MeshChanged, MeshSHA256: version.SHA256})
			continue
		}
		// One that cannot be read was served by another version of the program;
		// the journal names its links too.
		if old, err := mesh.Parse(version.SHA256, version.Bytes); err == nil {
			v.addLinks(old)
		}
	}
	return v.survey(ctx)
}

// addLinks adds those that a mesh measures at any time.
func (v *verification) addLinks(m *mesh.Mesh) {
	for i := range m.Measure {
		for _, l := range m.Links(&m.Measure[i], time.Unix(0, 0), time.UnixMilli(1<<43)) {
			v.number(link{l.Src, l.Dst, m.Measure[i].Name})
		}
	}
}

func (v *verification) number(l link) uint32 {
	n, known := v.numbers[l]
	if !known {
		n = uint32(len(v.links))
		v.links, v.numbers[l] = append(v.links, l), n
	}
	return n
}

func (v *verification) site(id string) *Site {
	s := v.sites[id]
	if s == nil {
		s = &Site{Site: id}
		v.sites[id] = s
	}
	return s
}

// readPart reads days from a moment on, until enough windows are held.
func (v *verification) readPart(ctx context.Context, from int64) (*part, error) {
	p := &part{from: from, to: from}
	for p.to < v.to && (p.to == from || p.len() < v.options.Held) {
		to := min(p.to+dayMS, v.to)
		if err := v.readDay(ctx, p, to); err != nil {
			return nil, err
		}
		p.to = to
		if v.options.Progress != nil {
			v.options.Progress(int((to-v.from+dayMS-1)/dayMS), int((v.to-v.from+dayMS-1)/dayMS))
		}
	}
	p.sort()
	return p, nil
}

// haul is what was read of one link on one day.
type haul struct {
	windows   []held
	conflicts []store.Record
	meshes    map[string]int // windows by the mesh that they name
}

func (v *verification) readDay(ctx context.Context, p *part, to int64) error {
	hauls := make([]haul, len(v.links))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range v.links {
		group.Go(func() (err error) {
			hauls[i], err = v.haul(ctx, uint32(i), p.to, to)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i := range hauls {
		p.add(hauls[i].windows)
		p.conflicts = append(p.conflicts, hauls[i].conflicts...)
		for sum, n := range hauls[i].meshes {
			if !v.archived[sum] {
				v.unmeshed[sum] += n
			}
		}
	}
	return nil
}

func (v *verification) haul(ctx context.Context, number uint32, from, to int64) (haul, error) {
	l, h := v.links[number], haul{meshes: map[string]int{}}
	add := func(w *wire.Window) {
		h.windows = append(h.windows, held{id: shorten(w.Digest()), session: w.Session, startMS: w.StartMS, link: number})
		h.meshes[w.MeshSHA256]++
	}
	for r, err := range v.source.Windows(ctx, store.Query{Src: l.src, Dst: l.dst, Test: l.test, FromMS: from, ToMS: to}) {
		if err != nil {
			return h, err
		}
		add(&r.Window)
		for i := range r.Conflicts {
			add(&r.Conflicts[i])
		}
		if len(r.Conflicts) > 0 {
			h.conflicts = append(h.conflicts, r)
		}
	}
	return h, nil
}

// hold holds a part against the journal. The journal is read after the windows,
// so that of each of them the entry has been written if it ever was.
func (v *verification) hold(ctx context.Context, p *part) error {
	for i := range p.conflicts {
		for _, digest := range digests(&p.conflicts[i]) {
			p.note(digest)
		}
	}
	if err := v.entries(ctx, p); err != nil {
		return err
	}
	p.markUnstated()
	if err := v.unstatedLost(ctx, p); err != nil {
		return err
	}
	v.tally(p)
	v.conflicts(p)
	return nil
}

// tally counts the windows of a part by what speaks for them.
func (v *verification) tally(p *part) {
	for i := range p.buckets {
		for j := range p.buckets[i] {
			w := &p.buckets[i][j]
			l := v.links[w.link]
			s := v.site(l.src)
			s.Windows++
			switch w.evidence {
			case nothing:
				s.Unjournalled++
				v.findings.add(Finding{Code: WindowNotJournalled, Site: l.src, Window: refOf(l, w)})
			case faulty:
				s.Faulty++
			case unstated, unsigned:
				s.Unsigned++
			case signed:
				s.Signed++
			}
		}
	}
}

// conflicts lists those of a part.
func (v *verification) conflicts(p *part) {
	for i := range p.conflicts {
		r := &p.conflicts[i]
		all := digests(r)
		v.site(r.Window.Src).Conflicts += len(r.Conflicts)
		first, dated := p.admitted(all[0])
		for j, digest := range all[1:] {
			w := &r.Conflicts[j]
			ref := &Window{Src: w.Src, Dst: w.Dst, Test: w.Test, Session: w.Session, StartMS: w.StartMS, SHA256: digest.String()}
			v.findings.add(Finding{Code: Conflict, Site: w.Src, Window: ref})
			if at, known := p.admitted(digest); dated && known && at < first {
				v.findings.add(Finding{Code: ConflictOrder, Site: w.Src, Window: ref})
			}
		}
	}
}

func digests(r *store.Record) []wire.Digest {
	all := []wire.Digest{r.Window.Digest()}
	for i := range r.Conflicts {
		all = append(all, r.Conflicts[i].Digest())
	}
	return all
}

func (v *verification) conclude() *Result {
	r := v.result
	for sum, n := range v.unmeshed {
		v.findings.add(Finding{Code: MeshMissing, MeshSHA256: sum, Windows: n})
	}
	v.concludeRefused()
	for _, keys := range v.keys {
		for _, k := range keys {
			revoked := ""
			if !k.Revoked.IsZero() {
				revoked = k.Revoked.Format(time.RFC3339)
			}
			r.Keys = append(r.Keys, Key{k.Site, k.ID(), k.Enrolled.Format(time.RFC3339), revoked, v.used[k.Site+" "+k.ID()]})
		}
	}
	slices.SortFunc(r.Keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Enrolled, b.Enrolled), cmp.Compare(a.ID, b.ID))
	})
	for _, s := range v.sites {
		if v.options.Strict && s.Unsigned > 0 {
			v.findings.add(Finding{Code: WindowUnsigned, Site: s.Site, Windows: s.Unsigned})
		}
		r.Sites = append(r.Sites, *s)
		r.Total.add(s)
	}
	slices.SortFunc(r.Sites, func(a, b Site) int { return cmp.Compare(a.Site, b.Site) })
	if r.Total.Windows == 0 && len(v.findings.listed) == 0 {
		v.findings.add(Finding{Code: NothingToVerify})
	}
	r.Counts, r.Findings, r.LeftOut = v.findings.sorted()
	r.Good = len(r.Findings) == 0
	return r
}
