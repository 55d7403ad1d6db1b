package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/lab/emulator"
	"github.com/fibergauge/fibergauge/lab/namespace"
	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

// Patience with programs that were asked to stop. A probe waits for the last
// answers and then for the collector to take its windows.
const (
	stopWithin      = 30 * time.Second
	probeStopWithin = 60 * time.Second
)

// stage is a run under way.
type stage struct {
	plan      Plan
	out       Output
	mesh      *mesh.Mesh
	wan       *wan.WAN
	network   *wan.Network
	model     emulator.Model // the network, and what passes over it
	programs  programs
	folder    folder
	store     string
	crew      *crew
	places    []*namespace.Namespace // by number of the site
	emulator  *emulator.Emulator
	collector *collector
	probes    []*child
	// reflectors are those of sites without a probe; keys is the file for
	// authenticated STAMP, empty where no site wants it.
	reflectors []*child
	keys       string
	from, to   time.Time // of the report: whole milliseconds
	begun      time.Time // when the time of the plan and of the events began
	past       string    // first month of the history behind the run; empty if there is none
}

// Run carries a plan out. A cancelled context ends the measuring early; the
// programs are still stopped in their order, and the report is made from what
// there is.
func Run(ctx context.Context, plan Plan, out Output) (err error) {
	s := &stage{plan: plan, out: out}
	if err := s.read(); err != nil {
		return err
	}
	if err := s.history(ctx); err != nil {
		return err
	}
	s.crew = &crew{folder: s.folder, deaths: make(chan *child, len(s.mesh.Sites)+len(s.wan.Collector)+8)}
	defer func() { err = errors.Join(err, s.abandon()) }()
	defer steady()()
	if err := s.build(); err != nil {
		return err
	}
	broken, stopEmulator := s.emulate(ctx)
	defer stopEmulator()
	if err := s.measure(ctx, broken); err != nil {
		return err
	}
	// From here on everything is finished in order, also after Ctrl-C.
	orderly := context.WithoutCancel(ctx)
	stopped := s.wind(orderly)
	stopEmulator()
	if err := errors.Join(stopped, <-broken, s.record(), s.report(orderly)); err != nil {
		// What could not be stopped well is said after the report of it.
		return err
	}
	if plan.Serve && ctx.Err() == nil { // whoever ended it early wants to leave
		return s.serve(ctx)
	}
	return nil
}

// steady keeps the Go runtime from holding up the emulator's thread, and gives
// what undoes it. A thread that comes back from the kernel needs a free
// processor of the runtime, however real its time is; and on a busy machine the
// collector of garbage would stop it for tens of milliseconds. The little
// garbage of a run fits below the limit for hours.
func steady() (undo func()) {
	const garbage = 512 << 20
	processors := runtime.GOMAXPROCS(runtime.NumCPU() + 4)
	limit := debug.SetMemoryLimit(garbage)
	percent := debug.SetGCPercent(-1)
	namespace.Hurry()
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		runtime.GOMAXPROCS(processors)
	}
}

// read reads the files, finds the programs and makes the output folder.
func (s *stage) read() (err error) {
	if s.mesh, err = mesh.Load(s.plan.MeshFile); err != nil {
		return err
	}
	if s.wan, err = wan.Load(s.plan.WANFile, s.mesh); err != nil {
		return err
	}
	for _, warning := range append(s.mesh.Warnings(), s.wan.Beyond(s.plan.For)...) {
		s.out.Log.Warn(warning)
	}
	if s.programs, err = findPrograms(s.plan.Bin, true); err != nil {
		return err
	}
	if s.folder, err = findFolder(s.plan.Out); err != nil {
		return err
	}
	if s.store, err = storeSpec(s.plan.Store, s.folder); err != nil {
		return err
	}
	// From here on something is changed.
	if err := s.folder.prepare(); err != nil {
		return err
	}
	if err := s.folder.write("mesh.yaml", s.mesh.Bytes()); err != nil {
		return err
	}
	s.network = s.wan.Network(time.Now())
	s.model = s.network
	return s.folder.write("wan.yaml", s.wan.Bytes())
}

// abandon ends whatever still runs, for a run that failed half-way.
func (s *stage) abandon() error {
	var errs []error
	for _, child := range append(s.reflectors, s.probes...) {
		errs = append(errs, child.kill())
	}
	if s.collector != nil && s.collector.child != nil {
		errs = append(errs, s.collector.child.kill())
	}
	for _, place := range s.places {
		errs = append(errs, place.Close())
	}
	return errors.Join(errs...)
}

// storeSpec is the store as the programs take it, which work in another folder.
func storeSpec(store string, f folder) (string, error) {
	kind, path, ok := strings.Cut(store, ":")
	switch {
	case store == "" || store == "sqlite":
		return "sqlite:" + f.file("store.sqlite"), nil
	case !ok || path == "" || kind != "influx":
		return "", cli.Usage(fmt.Errorf("--store %q is not a store; allowed: sqlite, influx:FILE", store))
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the store's file: %w", err)
	}
	if _, err := os.Stat(abs); err != nil {
		return "", cli.Usage(fmt.Errorf("--store %s cannot be used: %w", store, err))
	}
	return kind + ":" + abs, nil
}
