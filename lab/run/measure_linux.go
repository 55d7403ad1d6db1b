package run

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fibergauge/fibergauge/lab/emulator"
	"github.com/fibergauge/fibergauge/lab/namespace"
	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

// build makes the namespaces and the emulator between them.
func (s *stage) build() error {
	s.say("making %d network namespaces", len(s.mesh.Sites))
	ports := make([]emulator.Port, len(s.mesh.Sites))
	for i, site := range s.mesh.Sites {
		addr, err := netip.ParseAddr(site.Address)
		if err != nil {
			return fmt.Errorf("make site %s: %w", site.ID, err) // the mesh was checked
		}
		place, err := namespace.Open(addr)
		if err != nil {
			return fmt.Errorf("make site %s: %w", site.ID, err)
		}
		s.places = append(s.places, place)
		ports[i] = emulator.Port{Addr: addr, TUN: place.TUN()}
	}
	s.emulator = emulator.New(s.model, ports)
	s.collector = &collector{crew: s.crew, program: s.programs.collector, log: s.out.Log, args: []string{
		"serve", "--mesh", s.folder.file("mesh.yaml"), "--store", s.store, "--listen", "unix:" + socket,
	}}
	return nil
}

// emulate lets the network work until stop is called, which waits for its end.
// broken gives the emulator's result.
func (s *stage) emulate(ctx context.Context) (broken <-chan error, stop func()) {
	emulated, cancel := context.WithCancel(context.WithoutCancel(ctx))
	result, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		result <- s.emulator.Run(emulated)
	}()
	return result, func() {
		cancel()
		<-ended // before the devices are closed
	}
}

// measure starts collector and probes and lets them work for the time of the
// plan, during which it plays the outages. A cancelled context ends it early,
// and that is no error.
func (s *stage) measure(ctx context.Context, broken <-chan error) error {
	defer s.say("")
	s.say("starting the collector")
	if err := s.collector.start(ctx); err != nil {
		return err
	}
	s.from = time.Now().Truncate(time.Millisecond)
	if err := s.startReflectors(); err != nil {
		return err
	}
	if err := s.startProbes(); err != nil {
		return err
	}
	if err := s.underWay(ctx, broken); err != nil {
		return err
	}
	s.emulator.Begin()
	s.begun = time.Now()
	err := s.play(ctx, broken)
	// The report's end is exclusive.
	s.to = time.Now().Truncate(time.Millisecond).Add(time.Millisecond)
	return err
}

// startReflectors starts one at each site that answers STAMP and has no probe.
func (s *stage) startReflectors() error {
	if err := s.makeKeys(); err != nil {
		return err
	}
	for _, i := range Reflecting(s.mesh, s.from) {
		site := &s.mesh.Sites[i]
		args := []string{"reflect", "--listen", netip.AddrPortFrom(netip.MustParseAddr(site.Address), uint16(site.Reflector().Port)).String()}
		for _, address := range Senders(s.mesh, site, s.from) {
			args = append(args, "--allow", address)
		}
		if site.Reflector().Authenticated {
			args = append(args, "--key-file", s.keys)
		}
		child, err := s.crew.start("reflector-"+site.ID, s.places[i], s.programs.probe, args...)
		if err != nil {
			return err
		}
		s.reflectors = append(s.reflectors, child)
	}
	return nil
}

// makeKeys draws one key for all sites, if any wants authenticated packets.
func (s *stage) makeKeys() error {
	if !slices.ContainsFunc(s.mesh.Sites, func(site mesh.Site) bool { return site.Reflector().Authenticated }) {
		return nil
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	var list strings.Builder
	for _, prefix := range []string{"0.0.0.0/0", "::/0"} {
		fmt.Fprintf(&list, "- {prefix: %q, key: %x}\n", prefix, key)
	}
	s.keys = s.folder.file("keys.yaml")
	if err := os.WriteFile(s.keys, []byte(list.String()), 0o600); err != nil {
		return fmt.Errorf("write the keys: %w", err)
	}
	return nil
}

// probeArgs are the flags of the probe of a site.
func (s *stage) probeArgs(id, socket string) []string {
	level := s.plan.ProbeLogLevel
	if level == "" {
		level = "info"
	}
	args := []string{
		"run", "--site", id, "--collector", "unix:" + socket, "--spool", s.folder.file("spools/" + id),
		"--origin", "emulated", "--log-level", level,
	}
	if s.keys != "" {
		args = append(args, "--stamp-keys", s.keys)
	}
	return args
}

func (s *stage) startProbes() error {
	for _, i := range Probing(s.mesh, s.wan, s.from) {
		id := s.mesh.Sites[i].ID
		s.say("starting the probe of %s", id)
		child, err := s.crew.start("probe-"+id, s.places[i], s.programs.probe, s.probeArgs(id, socket)...)
		if err != nil {
			return err
		}
		s.probes = append(s.probes, child)
	}
	return nil
}

// Every probe is waited for until it sends, so that the time of the plan is
// one in which all of them measure; and then for the second in which they all
// warm up. A probe that has nothing to measure is not waited for long.
const (
	underWayWithin = 20 * time.Second
	warmUp         = 1500 * time.Millisecond
)

func (s *stage) underWay(ctx context.Context, broken <-chan error) error {
	senders := map[int]bool{}
	for _, link := range Measured(s.mesh, s.from) {
		if slices.Contains(Probing(s.mesh, s.wan, s.from), link[0]) {
			senders[link[0]] = true
		}
	}
	deadline := time.Now().Add(underWayWithin)
	for {
		var silent []string
		for i := range s.mesh.Sites {
			if senders[i] && s.emulator.Sent(i) == 0 {
				silent = append(silent, s.mesh.Sites[i].ID)
			}
		}
		if len(silent) == 0 {
			return s.pause(ctx, broken, warmUp)
		}
		if time.Now().After(deadline) {
			s.out.Log.Warn("some probes have sent nothing yet; going on without them", "sites", strings.Join(silent, " "))
			return nil
		}
		s.say("waiting for %d of %d probes to send", len(silent), len(senders))
		if err := s.pause(ctx, broken, 100*time.Millisecond); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// pause waits, unless the run is ended or something goes wrong meanwhile.
func (s *stage) pause(ctx context.Context, broken <-chan error, d time.Duration) error {
	select {
	case child := <-s.crew.deaths:
		return child.death()
	case err := <-broken:
		return errors.Join(errors.New("the emulator ended"), err)
	case <-ctx.Done():
		return nil
	case <-time.After(d):
		return nil
	}
}

// tick is how often the progress is shown, and how late an outage may begin.
const tick = 250 * time.Millisecond

// play lets the time of the plan pass.
func (s *stage) play(ctx context.Context, broken <-chan error) error {
	outages := s.wan.Collector
	for ctx.Err() == nil {
		now := time.Since(s.begun)
		if now >= s.plan.For {
			break
		}
		next := min(s.plan.For-now, tick)
		if len(outages) > 0 {
			o, due := &outages[0], outages[0].Begin()
			if s.collector.child == nil {
				due = o.End()
			}
			if now < due {
				next = min(next, due-now)
			} else if err := s.turn(ctx, o.How); err != nil {
				return err
			} else if s.collector.child != nil {
				outages = outages[1:]
			}
		}
		s.progress(now)
		if err := s.pause(ctx, broken, next); err != nil {
			return err
		}
	}
	return nil
}

// turn takes the collector away, or brings it back if it is away.
func (s *stage) turn(ctx context.Context, how wan.How) error {
	// Ctrl-C does not interrupt this: it has its own bounds.
	ctx = context.WithoutCancel(ctx)
	if s.collector.child != nil {
		return s.collector.leave(ctx, how)
	}
	s.out.Log.Info("starting the collector again")
	return s.collector.start(ctx)
}

// wind stops the probes, which hand in what they have, and then the collector.
// What goes wrong with one keeps no other from being stopped.
func (s *stage) wind(ctx context.Context) error {
	defer s.say("")
	if s.collector.child == nil {
		// Without it the spools could not drain.
		if err := s.collector.start(ctx); err != nil {
			return err
		}
	}
	s.say("stopping %d probes, which wait for their last answers", len(s.probes))
	probes := stopAll(ctx, s.probes, probeStopWithin)
	reflectors := stopAll(ctx, s.reflectors, stopWithin)
	s.say("stopping the collector")
	return errors.Join(probes, reflectors, s.collector.stop(ctx))
}

// stopAll asks programs to end, all at once.
func stopAll(ctx context.Context, programs []*child, patience time.Duration) error {
	var group errgroup.Group
	for _, child := range programs {
		group.Go(func() error {
			if err := child.signal(syscall.SIGTERM); err != nil {
				return err
			}
			return child.wait(ctx, patience)
		})
	}
	return group.Wait()
}
