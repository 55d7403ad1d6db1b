package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/lab/account"
	"github.com/fibergauge/fibergauge/lab/faults"
)

// chaos is a chaos run under way.
type chaos struct {
	*stage
	plan    ChaosPlan
	older   programs
	faults  []faults.Fault
	influxd *influxd
	keepers map[string]*keeper // by target: a site, "collector", "store"
	ways    map[string]*way
	disks   map[string]*disk

	mu       sync.Mutex // protects all following fields
	events   []event
	played   []faults.Fault       // those begun, which are all unless somebody ends the run
	full     map[string]time.Time // disks that are full, or were until then
	restarts map[string]int
	wrong    []string
}

// PlayChaos carries a chaos plan out: a run with faults, and then the account of
// every window. It needs the lab to have its mounts for itself.
func PlayChaos(ctx context.Context, plan ChaosPlan, out Output) (err error) {
	plan.ProbeLogLevel = "debug" // which names every window made
	c := &chaos{
		stage: &stage{plan: plan.Plan, out: out}, plan: plan,
		keepers: map[string]*keeper{}, ways: map[string]*way{}, disks: map[string]*disk{},
		full: map[string]time.Time{}, restarts: map[string]int{},
	}
	if err := c.read(); err != nil {
		return err
	}
	if err := c.draw(); err != nil {
		return err
	}
	c.crew = &crew{folder: c.folder, deaths: make(chan *child, 10_000)}
	defer func() { err = errors.Join(err, c.abandonAll()) }()
	defer steady()()
	if err := c.build(); err != nil {
		return err
	}
	broken, stopEmulator := c.emulate(ctx)
	defer stopEmulator()
	if err := c.begin(ctx, broken); err != nil {
		return err
	}
	played := c.playFaults(ctx, broken)
	orderly := context.WithoutCancel(ctx)
	if err := errors.Join(played, c.windUp(orderly)); err != nil {
		return err
	}
	return c.settleAccounts(orderly)
}

// draw draws the faults and writes them down before anything begins.
func (c *chaos) draw() error {
	if c.plan.Older != "" {
		older, err := findPrograms(c.plan.Older, false)
		if err != nil {
			return err
		}
		c.older = older
	}
	now := time.Now()
	what := faults.Stage{Store: c.plan.Influxd != "", Older: c.plan.Older != ""}
	var names []string
	for i := range c.mesh.Sites {
		names = append(names, c.mesh.Sites[i].ID)
		for j := range i {
			if c.network.Connected(j, i) {
				what.Links = append(what.Links, [2]string{c.mesh.Sites[j].ID, c.mesh.Sites[i].ID})
			}
		}
	}
	for _, i := range Probing(c.mesh, c.wan, now) {
		what.Probes = append(what.Probes, c.mesh.Sites[i].ID)
	}
	c.faults = faults.Draw(c.plan.Seed, what, c.plan.For)
	c.model = faults.Over(c.network, names, c.plan.Seed, c.faults)
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for i := range c.faults {
		if err := enc.Encode(&c.faults[i]); err != nil {
			return fmt.Errorf("write faults.jsonl: %w", err)
		}
	}
	c.out.Log.Info("faults drawn", "seed", c.plan.Seed, "faults", len(c.faults), "kinds", faults.ByKind(c.faults))
	return c.folder.write("faults.jsonl", lines.Bytes())
}

// begin starts everything, and returns when all probes are under way.
func (c *chaos) begin(ctx context.Context, broken <-chan error) error {
	defer c.say("")
	for _, sub := range []string{"ways", "clocks"} {
		if err := os.MkdirAll(c.folder.file(sub), 0o755); err != nil {
			return fmt.Errorf("make the output folder: %w", err)
		}
	}
	if err := c.beginStore(ctx); err != nil {
		return err
	}
	c.collector.args = []string{"serve", "--mesh", c.folder.file("mesh.yaml"), "--store", c.store, "--listen", "unix:" + socket}
	if err := c.collector.start(ctx); err != nil {
		return err
	}
	c.keep("collector", c.collector.child, func(older bool) (*child, error) {
		return c.crew.start("collector", nil, c.choose(older).collector, c.collector.args...)
	})
	c.from = time.Now().Truncate(time.Millisecond)
	if err := c.startReflectors(); err != nil {
		return err
	}
	for _, i := range Probing(c.mesh, c.wan, c.from) {
		if err := c.beginProbe(i); err != nil {
			return err
		}
	}
	if err := c.underWay(ctx, broken); err != nil {
		return err
	}
	c.emulator.Begin()
	c.begun = time.Now()
	return nil
}

func (c *chaos) beginStore(ctx context.Context) (err error) {
	if c.plan.Influxd == "" {
		return nil
	}
	if c.influxd, err = newInfluxd(ctx, c.plan.Influxd, c.folder); err != nil {
		return err
	}
	start := func(bool) (*child, error) {
		return c.crew.startIn(c.influxd.env(), "influxd", nil, c.influxd.program, "run", "-config", c.folder.file("influxd/influxdb.conf"))
	}
	server, err := start(false)
	if err != nil {
		return err
	}
	c.keep("store", server, start)
	c.store = "influx:" + c.folder.file("influxd/store.yaml")
	return c.influxd.setUp(ctx, server)
}

func (c *chaos) beginProbe(i int) error {
	id := c.mesh.Sites[i].ID
	c.say("starting the probe of %s", id)
	small, err := mountDisk(c.folder.file("spools/" + id))
	if err != nil {
		return err
	}
	c.disks[id] = small
	if c.ways[id], err = openWay(c.folder, id); err != nil {
		return err
	}
	args := append(c.probeArgs(id, waySocket(id)), "--spool-max-mib", strconv.Itoa(c.plan.SpoolMaxMiB))
	start := func(older bool) (*child, error) {
		return c.crew.startIn([]string{"FIBERGAUGE_LAB_CLOCK=" + c.clock(id)}, "probe-"+id, c.places[i], c.choose(older).probe, args...)
	}
	first, err := start(false)
	if err != nil {
		return err
	}
	c.keep(id, first, start)
	return nil
}

func (c *chaos) clock(id string) string { return c.folder.file("clocks/" + id) }

func (c *chaos) choose(older bool) programs {
	if older {
		return c.older
	}
	return c.programs
}

// keep notes a program that runs. A probe may end by itself while its disk is
// full, or a moment later.
func (c *chaos) keep(target string, first *child, begin func(older bool) (*child, error)) {
	c.keepers[target] = &keeper{
		name: target, child: first, begin: begin, report: c.happened,
		mayDie: func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			until, ever := c.full[target]
			return ever && (until.IsZero() || time.Since(until) < 5*time.Second)
		},
	}
}

// happened notes an event.
func (c *chaos) happened(e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun.IsZero() {
		e.AtMS = time.Since(c.begun).Milliseconds()
	}
	c.events = append(c.events, e)
	switch {
	case !e.Fine:
		c.wrong = append(c.wrong, e.String())
		c.out.Log.Error("something went wrong that no fault explains", "target", e.Target, "what", e.What, "detail", e.Detail)
	case e.What == "ended by itself":
		c.restarts[e.Target]++
	}
}

// playFaults lets the time of the plan pass, and the faults with it. Those of
// one thing come one after the other; a fault that took longer than it was to
// holds up only the next of the same.
func (c *chaos) playFaults(ctx context.Context, broken <-chan error) error {
	defer c.say("")
	keeping, enough := context.WithCancel(context.WithoutCancel(ctx))
	var keepers, players sync.WaitGroup
	for _, k := range c.keepers {
		keepers.Go(func() { k.keep(keeping) })
	}
	for _, list := range c.byTarget() {
		players.Go(func() {
			for i := range list {
				c.playFault(ctx, &list[i])
			}
		})
	}
	err := c.pass(ctx, broken)
	players.Wait()
	enough()
	keepers.Wait()
	return err
}

// pass shows the progress until the time is over.
func (c *chaos) pass(ctx context.Context, broken <-chan error) error {
	for ctx.Err() == nil {
		now := time.Since(c.begun)
		if now >= c.plan.For {
			return nil
		}
		begun := 0
		for i := range c.faults {
			if c.faults[i].Begin() <= now {
				begun++
			}
		}
		c.say("%s of %s: %d of %d faults", now.Truncate(time.Second), c.plan.For, begun, len(c.faults))
		select {
		case child := <-c.crew.deaths:
			if strings.HasPrefix(child.name, "reflector-") { // nobody keeps it
				return child.death()
			}
		case err := <-broken:
			return errors.Join(errors.New("the emulator ended"), err)
		case <-ctx.Done():
		case <-time.After(tick):
		}
	}
	return nil
}

// byTarget gives the faults that are played one after the other.
func (c *chaos) byTarget() map[string][]faults.Fault {
	lists := map[string][]faults.Fault{}
	for _, f := range c.faults {
		what := f.Target
		switch f.Kind {
		case faults.WayCut, faults.WaySilent, faults.AcksLost, faults.DiskFull:
			what = "way " + f.Target
		case faults.ClockStep:
			what = "clock " + f.Target
		case faults.LinkCut, faults.LinkLossy:
			what = "link " + f.Target
		}
		lists[what] = append(lists[what], f)
	}
	return lists
}

// playFault waits for the beginning of a fault, begins it, waits for its end
// and undoes it. Ctrl-C ends the waiting.
func (c *chaos) playFault(ctx context.Context, f *faults.Fault) {
	if !rest(ctx, time.Until(c.begun.Add(f.Begin()))) {
		return
	}
	begin, end := c.hand(context.WithoutCancel(ctx), f)
	told := func(what string, err error) {
		e := event{Fault: f.Number, What: string(f.Kind) + " " + what, Target: f.Target, Fine: err == nil}
		if err != nil {
			e.Detail = err.Error()
		}
		c.happened(e)
	}
	told("begins", begin())
	c.mu.Lock()
	c.played = append(c.played, *f)
	c.mu.Unlock()
	rest(ctx, time.Until(c.begun.Add(f.End())))
	told("ends", end())
}

// hand gives what begins and what ends a fault.
func (c *chaos) hand(ctx context.Context, f *faults.Fault) (begin, end func() error) {
	fine := func(do func()) func() error { return func() error { do(); return nil } }
	k := c.keepers[f.Target]
	switch f.Kind {
	case faults.ProbeKill, faults.CollectorKill, faults.StoreKill:
		return fine(k.kill), fine(func() { k.bring(false) })
	case faults.ProbeOlder, faults.CollectorOlder:
		return fine(func() { k.stop(ctx); k.bring(true) }), fine(func() { k.stop(ctx); k.bring(false) })
	case faults.WayCut:
		return fine(func() { c.pave(f.Target, closed) }), fine(func() { c.pave(f.Target, open) })
	case faults.WaySilent:
		return fine(func() { c.pave(f.Target, silent) }), fine(func() { c.pave(f.Target, open) })
	case faults.AcksLost:
		return fine(func() { c.pave(f.Target, deaf) }), fine(func() { c.pave(f.Target, open) })
	case faults.DiskFull:
		return func() error {
				c.pave(f.Target, closed)
				c.note(f.Target, time.Time{})
				return c.disks[f.Target].fill()
			}, func() error {
				defer c.note(f.Target, time.Now())
				c.pave(f.Target, open)
				return c.disks[f.Target].clear()
			}
	case faults.ClockStep:
		return func() error { return c.set(f.Target, f.StepMS) }, func() error { return c.set(f.Target, 0) }
	}
	return fine(func() {}), fine(func() {}) // of links: the model loses the packets
}

// note remembers that a disk is full, or until when it was.
func (c *chaos) note(site string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full[site] = until
}

func (c *chaos) pave(target string, state passage) {
	for id, w := range c.ways {
		if target == faults.Everyone || target == id {
			w.set(state)
		}
	}
}

// set sets the clock of a site, whose probe never reads half a number.
func (c *chaos) set(site string, offsetMS int64) error {
	next := c.clock(site) + ".next"
	if err := os.WriteFile(next, []byte(strconv.FormatInt(offsetMS, 10)+"\n"), 0o644); err != nil {
		return fmt.Errorf("step a clock: %w", err)
	}
	if err := os.Rename(next, c.clock(site)); err != nil {
		return fmt.Errorf("step a clock: %w", err)
	}
	return nil
}

// windUp undoes every fault and stops everything but the store in good order.
func (c *chaos) windUp(ctx context.Context) error {
	c.to = time.Now().Truncate(time.Millisecond).Add(time.Millisecond)
	for _, d := range c.disks {
		if err := d.clear(); err != nil {
			return err
		}
	}
	c.pave(faults.Everyone, open)
	if c.influxd != nil {
		c.keepers["store"].bring(false)
		if err := c.influxd.listening(ctx); err != nil {
			return err
		}
	}
	c.keepers["collector"].bring(false)
	if c.collector.child = c.keepers["collector"].child; c.collector.child == nil {
		return errors.New("start the collector for the end: it is away")
	}
	if err := c.collector.ready(ctx); err != nil {
		return err
	}
	for _, i := range Probing(c.mesh, c.wan, c.from) {
		k := c.keepers[c.mesh.Sites[i].ID]
		k.bring(false)
		if k.child != nil {
			c.probes = append(c.probes, k.child)
		}
	}
	rest(ctx, listens) // for those that were only just started
	return c.wind(ctx)
}

// settleAccounts finds every window and says where it is.
func (c *chaos) settleAccounts(ctx context.Context) error {
	c.say("accounting")
	places := account.Places{
		Mesh: c.mesh, Store: c.store,
		Log:   func(site string) string { return c.folder.file("logs/probe-" + site + ".log") },
		Spool: func(site string) string { return c.folder.file("spools/" + site) },
	}
	for _, i := range Probing(c.mesh, c.wan, c.from) {
		places.Sites = append(places.Sites, c.mesh.Sites[i].ID)
	}
	ledger, said, err := places.Read(ctx, c.out.Log)
	if err != nil {
		return err
	}
	balance, err := account.Balance(ledger)
	if err != nil {
		return err
	}
	c.say("")
	var events bytes.Buffer
	enc := json.NewEncoder(&events)
	for _, e := range c.events {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("write events.jsonl: %w", err)
		}
	}
	result := struct {
		Chaos
		Felt account.Said `json:"felt"`
		*account.Account
		Wrong []string `json:"wrong"` // beside the windows: programs that ended by themselves
	}{c.about(ctx), said, balance, append([]string{}, c.wrong...)}
	var out bytes.Buffer
	pretty := json.NewEncoder(&out)
	pretty.SetIndent("", "  ")
	if err := pretty.Encode(result); err != nil {
		return fmt.Errorf("write account.json: %w", err)
	}
	if err := errors.Join(c.folder.write("events.jsonl", events.Bytes()), c.folder.write("account.json", out.Bytes()), c.record()); err != nil {
		return err
	}
	if err := balance.Render(c.out.Results); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.out.Results, "\n%d faults (%s), seed %d.\nThe probes felt %v.\n", len(c.played), faults.ByKind(c.played), c.plan.Seed, said); err != nil {
		return fmt.Errorf("show the account: %w", err)
	}
	if !balance.Total.Good() || len(c.wrong) > 0 || said.Panics > 0 {
		return fmt.Errorf("%w: %d lost, %d twice, %d changed, %d invented, %d times something no fault explains; see account.json", ErrUnbalanced,
			balance.Total.Lost, balance.Total.Twice, balance.Total.Changed, balance.Total.Invented, len(c.wrong)+said.Panics)
	}
	return nil
}

func (c *chaos) about(ctx context.Context) Chaos {
	a := Chaos{
		Schema: SchemaChaos, Notice: notice, Seed: c.plan.Seed, For: c.plan.For.String(), Began: c.begun.UTC().Truncate(time.Millisecond),
		Store: "sqlite", MeshSHA256: c.mesh.SHA256(), Probes: len(c.probes), Faults: len(c.played), ByKind: faults.ByKind(c.played), Restarts: c.restarts,
	}
	if kind, _, _ := strings.Cut(c.store, ":"); kind != "sqlite" {
		a.Store = kind
	}
	for _, program := range []string{c.programs.probe, c.programs.collector, c.older.probe, c.older.collector} {
		if program == "" {
			continue
		}
		version, err := exec.CommandContext(ctx, program, "--version").Output()
		if err != nil {
			version = []byte(filepath.Base(program) + " (version unknown)")
		}
		a.Programs = append(a.Programs, strings.TrimSpace(string(version)))
	}
	return a
}

// abandonAll ends what is left, and leaves the spools where they can be seen.
func (c *chaos) abandonAll() error {
	for _, id := range slices.Sorted(maps.Keys(c.keepers)) {
		c.keepers[id].kill()
	}
	errs := []error{c.abandon()}
	for _, w := range c.ways {
		errs = append(errs, w.close())
	}
	for _, d := range c.disks {
		errs = append(errs, d.unmount())
	}
	return errors.Join(errs...)
}
