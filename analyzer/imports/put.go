package imports

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Store puts the windows into the store that it lacks. What is wrong with the
// import as a whole is a Refusal, and nothing was stored; after another error
// some windows may be, and the same import completes it.
func (p *Plan) Store(ctx context.Context, s Store) error {
	r := &p.Report
	r.Known, r.Conflicts, r.Stored, r.Archived = 0, 0, 0, false
	sources := map[string]bool{}
	if err := p.compare(ctx, s, sources); err != nil {
		return err
	}
	if r.Conflicts > 0 && !p.options.AllowConflicts {
		return Refuse("%d of %d windows differ from what the store has under their keys, so nothing is imported; where a window was cut by the end of a file, import both files at once into another store, or keep these apart by --allow-conflicts, so that what was stored first counts", r.Conflicts, r.Windows)
	}
	if err := p.unsigned(ctx, s, sources); err != nil {
		return err
	}
	if r.Known > 0 {
		if err := p.staged.unstated(ctx, stated(ctx, s, sources)); err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
	}
	return p.put(ctx, s)
}

// compare holds the windows against those of the store.
func (p *Plan) compare(ctx context.Context, s Store, sources map[string]bool) error {
	beside := map[string]bool{}
	done := 0
	for page, err := range p.pages(ctx) {
		if err != nil {
			return err
		}
		for rest := page; len(rest) > 0; {
			n := len(rest)
			if next := slices.IndexFunc(rest, func(c candidate) bool { return c.window.Dst != rest[0].window.Dst }); next > 0 {
				n = next
			}
			if err := p.compareLink(ctx, s, rest[:n], beside); err != nil {
				return fmt.Errorf("read windows: %w", err)
			}
			rest = rest[n:]
		}
		for _, c := range page {
			switch c.state {
			case known, knownAlike:
				p.Report.Known++
			case conflicting:
				p.Report.Conflicts++
			}
			sources[c.window.Src] = true
		}
		if err := p.staged.mark(ctx, page); err != nil {
			return err
		}
		done += len(page)
		p.progress("comparing window", done, p.Report.Windows)
	}
	p.Report.Beside = slices.Sorted(maps.Keys(beside))
	return nil
}

// compareLink sets the states of windows of one link, which are some of a page.
func (p *Plan) compareLink(ctx context.Context, s Store, link []candidate, beside map[string]bool) error {
	first := &link[0].window
	query := store.Query{Src: first.Src, Dst: first.Dst, Test: first.Test, FromMS: first.StartMS, ToMS: first.StartMS + 1}
	places := map[wire.Key]int{}
	for i := range link {
		start := link[i].window.StartMS
		query.FromMS, query.ToMS = min(query.FromMS, start), max(query.ToMS, start+1)
		places[link[i].window.Key] = i
		link[i].state = fresh
	}
	for record, err := range s.Windows(ctx, query) {
		if err != nil {
			return err
		}
		i, ours := places[record.Window.Key]
		if !ours {
			if record.Window.Origin != wire.OriginImported {
				beside[first.Src+">"+first.Dst] = true
			}
			continue
		}
		link[i].state = conflicting
		for _, stored := range append([]wire.Window{record.Window}, record.Conflicts...) {
			if link[i].state != known {
				link[i].state = cmp.Or(sameness(stored, link[i].window), link[i].state)
			}
		}
	}
	return nil
}

// sameness tells whether a stored window is ours, or tells the same.
func sameness(stored, ours wire.Window) state {
	if stored.Digest() == ours.Digest() {
		return known
	}
	stored.MeshSHA256 = ours.MeshSHA256
	if stored.Digest() == ours.Digest() {
		return knownAlike
	}
	return fresh
}

// unsigned refuses windows of sites that sign: nobody could tell them from
// forged ones.
func (p *Plan) unsigned(ctx context.Context, s Store, sources map[string]bool) error {
	keys, err := s.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	for _, k := range keys {
		if sources[k.Site] && k.InForce(p.options.Now) {
			return Refuse("site %s signs what it measures, and what is imported has no signature; import it as of another site in the same place", k.Site)
		}
	}
	return nil
}

// stated yields the windows that the journal says were admitted of some sites.
func stated(ctx context.Context, s Store, sources map[string]bool) iter.Seq2[wire.Digest, error] {
	return func(yield func(wire.Digest, error) bool) {
		for entry, err := range s.Journal(ctx, "") {
			if err != nil {
				yield(wire.Digest{}, err)
				return
			}
			if !sources[entry.Site] {
				continue
			}
			for _, digest := range entry.Statement {
				if !yield(digest, nil) {
					return
				}
			}
		}
	}
}

// put stores what the store lacks, the mesh first, which names the sites.
func (p *Plan) put(ctx context.Context, s Store) error {
	at := p.options.Now.Truncate(time.Millisecond)
	archived := false
	for page, err := range p.pages(ctx) {
		if err != nil {
			return err
		}
		batch := wire.Batch{Schema: wire.SchemaBatch, Site: page[0].window.Src}
		for _, c := range page {
			if c.state == fresh || c.state == conflicting {
				batch.Windows = append(batch.Windows, c.window)
			}
		}
		if len(batch.Windows) == 0 {
			continue
		}
		if !archived {
			if err := p.archive(ctx, s, at); err != nil {
				return err
			}
			archived = true
		}
		err := s.Put(ctx, store.Admission{
			At: at, Site: batch.Site, Batch: batch.Digest().String(), MeshSHA256: p.options.Mesh.SHA256(),
			Statement: batch.Digests(), Windows: batch.Windows,
		})
		if err != nil {
			return fmt.Errorf("store windows: %w; %d are stored, import the same again to complete it", err, p.Report.Stored)
		}
		p.Report.Stored += len(batch.Windows)
		p.progress("storing window", p.Report.Stored, p.Report.Windows-p.Report.Known)
	}
	return nil
}

// archive keeps the mesh by which was imported, unless a collector did.
func (p *Plan) archive(ctx context.Context, s Store, at time.Time) error {
	versions, err := s.Meshes(ctx)
	if err != nil {
		return fmt.Errorf("read the archived meshes: %w", err)
	}
	m := p.options.Mesh
	if slices.ContainsFunc(versions, func(v store.MeshVersion) bool { return v.SHA256 == m.SHA256() }) {
		return nil
	}
	if err := s.PutMesh(ctx, store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: at}); err != nil {
		return fmt.Errorf("archive the mesh: %w", err)
	}
	p.Report.Archived = len(versions) > 0
	return nil
}

// pages yields the staged windows, each page those of one site.
func (p *Plan) pages(ctx context.Context) iter.Seq2[[]candidate, error] {
	return func(yield func([]candidate, error) bool) {
		after := int64(0)
		for {
			page, err := p.staged.page(ctx, after)
			if err == nil && len(page) == 0 {
				return
			}
			if !yield(page, err) || err != nil {
				return
			}
			after = page[len(page)-1].seq
		}
	}
}
