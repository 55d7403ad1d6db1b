// Package generate writes a history into a store: the windows that probes would
// have made over months and years, through the links of wan.yaml and what its
// history says of days and years, without a packet and without waiting.
//
// It takes a mesh, a wan.yaml and a period, and puts admissions into a store as
// a collector would have at the time: windows of origin synthetic in batches by
// site, dated a moment after their windows ended, and the mesh in the archive
// from a day before the period. Same mesh, same wan.yaml: the same windows, byte
// for byte, whichever part of the period is asked for and on however many
// processors.
package generate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// model stands in the windows for the version of the probe. It changes when the
// same files would make other windows.
const model = "fibergauge-lab-generate/1"

// Plan says what is generated.
type Plan struct {
	Mesh     *mesh.Mesh
	WAN      *wan.WAN
	From, To time.Time // beginnings of days in the zone of the mesh
	Tests    []string  // only these; all if empty
	Store    string    // as users write it: "sqlite:PATH" or "influx:FILE"
}

// Progress is how far it has come.
type Progress struct {
	Done, Total      int   // days
	Windows, Packets int64 // stored
	Until            time.Time
}

// registered is how long before the period the mesh was served: maintenance
// counts only where it was registered before it began.
const registered = 24 * time.Hour

// Run generates and stores. progress, if not nil, is told after each admission,
// by one goroutine. What a run that was interrupted has stored is completed by
// the same run.
func Run(ctx context.Context, p Plan, log *slog.Logger, progress func(Progress)) (done Progress, err error) {
	s, err := open.Writer(ctx, p.Store, log)
	if err != nil {
		return Progress{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return p.fill(ctx, s, log, progress)
}

func (p Plan) fill(ctx context.Context, s store.Store, log *slog.Logger, progress func(Progress)) (Progress, error) {
	g := newGenerator(p)
	if len(g.sites) == 0 {
		return Progress{}, cli.Usage(errors.New("no link of the mesh is measured in the period by the tests asked for"))
	}
	if err := g.refuseOthers(ctx, s); err != nil {
		return Progress{}, err
	}
	version := store.MeshVersion{SHA256: p.Mesh.SHA256(), Bytes: p.Mesh.Bytes(), ServedFrom: p.From.Add(-registered)}
	if err := s.PutMesh(ctx, version); err != nil {
		return Progress{}, fmt.Errorf("archive the mesh: %w", err)
	}
	log.Debug("generating", "sites", len(g.sites), "from", p.From, "to", p.To)
	return g.run(ctx, s, progress)
}

// generator is a plan made ready.
type generator struct {
	Plan
	past  *wan.Past
	sites []site
}

// site is what one probe measures, in parts that are generated at once.
type site struct {
	id    string
	lives func(f *flow) []life
	parts [][]*flow
}

// partWindows is about how many windows of a day are held in memory at once, for
// each of the parts under way.
const partWindows = 16_000

func newGenerator(p Plan) *generator {
	g := &generator{Plan: p, past: p.WAN.Past()}
	sum := sha256.Sum256(p.WAN.Bytes())
	version := model + " wan " + hex.EncodeToString(sum[:8])
	for i := range p.Mesh.Sites {
		src := &p.Mesh.Sites[i]
		if p.WAN.IsAbsent(src) || !src.Role.Probes() || !src.ActiveDuring(p.From, p.To) {
			continue
		}
		silences := g.past.Silences(src.ID, p.To.UTC().Year())
		one := site{id: src.ID, lives: func(f *flow) []life {
			return lives(silences, existing(p.Mesh, &p.Mesh.Sites[f.src], &p.Mesh.Sites[f.dst]))
		}}
		room := 0
		for j := range p.Mesh.Sites {
			for k := range p.Mesh.Measure {
				test, dst := &p.Mesh.Measure[k], &p.Mesh.Sites[j]
				if len(p.Tests) > 0 && !slices.Contains(p.Tests, test.Name) ||
					!p.Mesh.Measures(test, src, dst) || !dst.ActiveDuring(p.From, p.To) {
					continue
				}
				aDay := 86400 / test.WindowS
				if room -= aDay; room < 0 {
					one.parts = append(one.parts, nil)
					room = max(partWindows-aDay, 0)
				}
				last := len(one.parts) - 1
				one.parts[last] = append(one.parts[last], newFlow(p.Mesh, g.past, test, i, j, version))
			}
		}
		if len(one.parts) > 0 {
			g.sites = append(g.sites, one)
		}
	}
	return g
}

// refuseOthers looks for windows of the same links and period that this plan
// does not make: beside them, or in conflict with them, generated ones are worth
// nothing.
func (g *generator) refuseOthers(ctx context.Context, s store.Store) error {
	for _, one := range g.sites {
		for _, f := range slices.Concat(one.parts...) {
			q := store.Query{Src: f.template.Src, Dst: f.template.Dst, Test: f.template.Test, FromMS: g.From.UnixMilli(), ToMS: g.To.UnixMilli()}
			for record, err := range s.Windows(ctx, q) {
				if err != nil {
					return fmt.Errorf("look for windows in the store: %w", err)
				}
				w := &record.Window
				switch {
				case w.Origin != wire.OriginSynthetic:
					return cli.Usage(fmt.Errorf("the store holds %s windows of %s in the period, %s among them; give another store or period", w.Origin, q.Src+">"+q.Dst, w.Key))
				case w.MeshSHA256 != f.template.MeshSHA256 || w.ProbeVersion != f.template.ProbeVersion:
					return cli.Usage(fmt.Errorf("the store holds windows of %s in the period that were generated from another mesh or wan.yaml; give another store or period", q.Src+">"+q.Dst))
				}
				break
			}
		}
	}
	return nil
}

// run generates the parts of the days, several at once, and stores them in their
// order.
func (g *generator) run(ctx context.Context, s store.Store, progress func(Progress)) (Progress, error) {
	type job struct {
		until      time.Time
		admissions chan []store.Admission // of one part
	}
	days := days(g.From, g.To)
	state := Progress{Total: len(days)}
	workers := runtime.GOMAXPROCS(0)
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan job, workers)
	turns := make(chan struct{}, workers)
	group.Go(func() error {
		defer close(jobs)
		for _, d := range days {
			for i := range g.sites {
				for _, part := range g.sites[i].parts {
					j := job{d[1], make(chan []store.Admission, 1)}
					select {
					case <-ctx.Done():
						return ctx.Err()
					case jobs <- j:
					}
					turns <- struct{}{}
					group.Go(func() error {
						defer func() { <-turns }()
						j.admissions <- g.admissions(&g.sites[i], part, d[0], d[1])
						return nil
					})
				}
			}
		}
		return nil
	})
	group.Go(func() error {
		for j := range jobs {
			if j.until.After(state.Until) && !state.Until.IsZero() {
				state.Done++
			}
			state.Until = j.until
			var admissions []store.Admission
			select {
			case <-ctx.Done():
				return ctx.Err()
			case admissions = <-j.admissions:
			}
			for i := range admissions {
				a := &admissions[i]
				if err := s.Put(ctx, *a); err != nil {
					return fmt.Errorf("store windows of %s at %s: %w", a.Site, a.At.Format(time.RFC3339), err)
				}
				state.Windows += int64(len(a.Windows))
				for k := range a.Windows {
					state.Packets += int64(a.Windows[k].Sent)
				}
				if progress != nil {
					progress(state)
				}
			}
		}
		state.Done = state.Total
		return nil
	})
	err := group.Wait()
	return state, err
}

// admissions generates a part of a site's day as the batches that its probe
// sends when it has not been able to for a while.
func (g *generator) admissions(one *site, flows []*flow, from, until time.Time) []store.Admission {
	var made []wire.Window
	scratch := &scratch{}
	for _, f := range flows {
		f.day(one.lives(f), from, until, scratch, func(w wire.Window) { made = append(made, w) })
	}
	order := make([]int, len(made))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return byStart(&made[i], &made[j]) })
	var all []store.Admission
	var batch wire.Batch
	size := 0
	flush := func() {
		if len(batch.Windows) > 0 {
			all = append(all, g.admission(&batch))
		}
		batch, size = wire.Batch{Site: one.id}, 0
	}
	flush()
	for _, i := range order {
		w := &made[i]
		if size += weight(w); len(batch.Windows) == wire.MaxBatchWindows || size > wire.MaxBatchBytes/2 && len(batch.Windows) > 0 {
			flush()
			size = weight(w)
		}
		batch.Windows = append(batch.Windows, *w)
	}
	flush()
	return all
}

// weight is about how many bytes a window takes in a batch.
func weight(w *wire.Window) int {
	n := 1000 + len(w.RTTs)
	if w.STAMP != nil {
		n += len(w.STAMP.RawRTTs)
	}
	if w.OneWay != nil {
		n += len(w.OneWay.Forward) + len(w.OneWay.Reverse)
	}
	return n + n/3
}

// onItsWay is how long after the end of its last window a batch is admitted.
const onItsWay = wire.Grace + 2*time.Second

func (g *generator) admission(b *wire.Batch) store.Admission {
	digests := b.Digests()
	digest := sha256.Sum256(wire.Statement(b.Site, digests))
	last := b.Windows[len(b.Windows)-1].EndMS
	return store.Admission{
		At: time.UnixMilli(last).UTC().Add(onItsWay), Site: b.Site, Batch: hex.EncodeToString(digest[:]),
		MeshSHA256: g.Mesh.SHA256(), Statement: digests, Windows: b.Windows,
	}
}

// day gives the windows of the flow that start on a day.
func (f *flow) day(lives []life, from, until time.Time, scratch *scratch, yield func(wire.Window)) {
	course := f.past.Course(f.src, f.dst, from, from.Add(-warmUp-wire.MaxWindow), until.Add(time.Minute))
	first, last := from.UnixNano(), until.UnixNano()
	for _, l := range lives {
		if l.from < last && l.until > first-int64(warmUp) {
			f.windows(course, l, first, last, scratch, yield)
		}
	}
}

// days cuts a period into the days of its zone.
func days(from, to time.Time) [][2]time.Time {
	var all [][2]time.Time
	for at := from; at.Before(to); {
		next := startOfDay(at.Year(), at.Month(), at.Day()+1, at.Location())
		all = append(all, [2]time.Time{at, next})
		at = next
	}
	return all
}

// startOfDay is where a date begins in a zone: midnight, or where the clock is
// set forward over it.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	t, err := mesh.Moment(date).In(zone)
	if err != nil {
		panic(err) // what Format made is a date
	}
	return t.In(zone)
}
