package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/uplink"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	// drainTime bounds the delivery of the last windows at a stop; what is
	// not delivered then stays in the spool.
	drainTime = 10 * time.Second
	// summaryEvery is the pace of the summary in the log.
	summaryEvery = time.Minute
)

// site is the part of the flags that run and check share.
type site struct {
	Site        string        `required:"" help:"Identifier of this site in the mesh." placeholder:"ID"`
	Collector   string        `required:"" help:"Where the collector listens: https://HOST[:PORT], http://127.0.0.1:PORT or unix:PATH." placeholder:"URL"`
	Spool       string        `required:"" help:"Folder in which windows are kept until they are acknowledged; made if missing." placeholder:"DIR"`
	SpoolMaxMiB int64         `name:"spool-max-mib" default:"1024" help:"Largest size of what the spool keeps, in MiB; above it the oldest windows are dropped." placeholder:"N"`
	Origin      string        `default:"measured" help:"What the windows say they tell of: measured (a real network) or emulated (a lab)." placeholder:"ORIGIN"`
	Poll        time.Duration `default:"30s" help:"Time between two questions for the assignment, 1s to 1h." placeholder:"D"`
	CatchUpRate float64       `default:"500" help:"Most windows a second that are delivered after an outage; 0 is no limit." placeholder:"N"`
	StampKeys   string        `help:"YAML list of {prefix, key} for authenticated STAMP, by the addresses of reflectors measured and of sources answered. Only the owner may be able to read the file." placeholder:"FILE"`
	Identity    string        `help:"Folder with the certificate and the keys of this site, as fibergauge-probe enrol fills it. https needs one; without https the windows are signed if a signing key is there." placeholder:"DIR"`
	Renewal     string        `name:"renewal-collector" help:"Collector that renews the certificate, https://HOST[:PORT] of the one with --pki; that of --collector if absent." placeholder:"URL"`
	Seed        *uint64       `help:"Seed of the random moments of sending; drawn and logged if absent." placeholder:"N"`

	collector uplink.Collector
	renewal   uplink.Collector
	keys      []reflect.Key
	identity  *identity.Folder  // nil: the collector is reached without TLS
	sign      func(*wire.Batch) // nil: batches are not signed
}

// check finds what is wrong with the flags.
func (s *site) check() error {
	if !wire.IsIdentifier(s.Site) {
		return fmt.Errorf("--site: %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", s.Site, wire.MaxIdentifier)
	}
	var err error
	if s.collector, err = uplink.ParseCollector(s.Collector); err != nil {
		return fmt.Errorf("--collector: %w", err)
	}
	if s.renewal = s.collector; s.Renewal != "" {
		if s.renewal, err = uplink.ParseCollector(s.Renewal); err != nil {
			return fmt.Errorf("--renewal-collector: %w", err)
		}
		if !s.renewal.TLS() || !s.collector.TLS() {
			return errors.New("--renewal-collector: certificates are used and renewed over https only; give https URLs to it and to --collector, or leave it out")
		}
	}
	if s.StampKeys != "" {
		if s.keys, err = reflect.ReadKeys(s.StampKeys); err != nil {
			return fmt.Errorf("--stamp-keys: %w", err)
		}
	}
	switch {
	case s.Identity == "" && s.collector.TLS():
		return errors.New("--identity: is absent, and https needs one; fibergauge-probe enrol makes it")
	case s.Spool == "":
		return errors.New("--spool: is empty; give a folder")
	case s.SpoolMaxMiB < 1 || s.SpoolMaxMiB > 1<<20:
		return fmt.Errorf("--spool-max-mib: %d is not within 1 to %d", s.SpoolMaxMiB, 1<<20)
	case !(s.CatchUpRate == 0 || s.CatchUpRate >= 1 && s.CatchUpRate <= 1e6):
		return fmt.Errorf("--catch-up-rate: %g is not 0 or within 1 to 1000000", s.CatchUpRate)
	case s.Origin != string(wire.OriginMeasured) && s.Origin != string(wire.OriginEmulated):
		return fmt.Errorf("--origin: %.40q is not measured or emulated", s.Origin)
	case s.Poll < time.Second || s.Poll > time.Hour:
		return fmt.Errorf("--poll: %v is not within 1s to 1h", s.Poll)
	}
	return nil
}

func (s *site) openSpool(log *slog.Logger) (*spool.Spool, error) {
	store, err := spool.Open(s.Spool, s.SpoolMaxMiB<<20, log)
	return store, unhelped(err)
}

// unhelped marks an error of opening a spool that starting again would not mend.
func unhelped(err error) error {
	if errors.Is(err, spool.ErrNewer) {
		return cli.Usage(err)
	}
	return err
}

func (s *site) uplink(store uplink.Store, take func(*wire.Assignment), log *slog.Logger) *uplink.Uplink {
	return uplink.New(uplink.Config{
		Collector: s.collector, Client: s.client(), Site: s.Site, Poll: s.Poll, Store: store, CatchUp: s.CatchUpRate,
		Take:      take,
		Check:     func(a *wire.Assignment) error { return measure.Check(a, s.Site) },
		Sign:      s.sign,
		UserAgent: userAgent(),
		Log:       log,
	})
}

func userAgent() string { return "fibergauge-probe/" + cli.Version() }

type runCommand struct {
	site `embed:""`

	LabClock string `hidden:"" env:"FIBERGAUGE_LAB_CLOCK" placeholder:"FILE" help:"Milliseconds by which a lab sets the wall clock of this probe; only with --origin emulated."`
}

// Run measures until the context ends. It then stops sending, waits for the
// replies on their way, and delivers what it can within drainTime.
func (c *runCommand) Run(ctx context.Context, env *cli.Env) error {
	if err := c.check(); err != nil {
		return cli.Usage(err)
	}
	if err := c.identify(env.Log); err != nil {
		return cli.Usage(err)
	}
	clock := &labClock{file: c.LabClock, log: env.Log}
	if c.LabClock != "" {
		if c.Origin != string(wire.OriginEmulated) {
			return cli.Usage(errors.New("--lab-clock: a clock that a lab sets is only for --origin emulated"))
		}
		clock.read()
	}
	if os.Getenv("GOGC") == "" {
		// Most of what a probe has in memory stays there for a minute, and it
		// makes little garbage: half the memory costs next to no time.
		debug.SetGCPercent(25)
	}
	store, err := spool.OpenPatiently(c.Spool, c.SpoolMaxMiB<<20, env.Log)
	if err != nil {
		return unhelped(err)
	}
	defer store.Close()
	session, err := store.Raise(clock.now())
	if err != nil {
		return err
	}
	seed := rand.Uint64()
	if c.Seed != nil {
		seed = *c.Seed
	}
	env.Log.Info("probe starts", "site", c.Site, "collector", c.collector.String(), "spool", store.Path(),
		"waiting", store.Counts().Windows, "session", session, "seed", seed, "generator", "PCG", "version", cli.Version())

	var tap measure.Tap
	if t, err := stopwatch.OpenTap(); err != nil {
		env.Log.Warn("ICMP is timed in user space: its RTTs are upper bounds, on a busy host loose ones", "error", err)
	} else {
		defer t.Close()
		tap = t
	}
	// measuring ends when the last window was made, talk when the time is over
	// that a stop may take.
	measuring, measured := context.WithCancel(context.WithoutCancel(ctx))
	talk, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	running, end := context.WithCancelCause(ctx)
	defer end(nil)
	stopping := sync.OnceFunc(func() { time.AfterFunc(drainTime, hangUp) })

	var up *uplink.Uplink
	measurer := measure.New(measure.Config{
		Origin: wire.Origin(c.Origin), Version: cli.Version(), Seed: seed, Session: session,
		Raise: func() (uint64, error) { return store.Raise(clock.now()) },
		Put: func(windows []wire.Window) error {
			err := store.Put(windows)
			if err == nil || running.Err() == nil {
				return err
			}
			// Nothing comes after a stop: what no disk takes goes to the collector.
			stopping()
			if up.Hand(talk, windows, func() bool { return store.Put(windows) == nil }) {
				return nil
			}
			return err
		},
		Tap:      tap,
		Clock:    clock.clock(),
		STAMPKey: func(reflector netip.Addr) []byte { return reflect.Secret(c.keys, reflector) },
		Log:      env.Log,
	})
	assignments := make(chan *wire.Assignment)
	responder := newResponder(c.keys, env.Log)
	up = c.uplink(store, func(a *wire.Assignment) {
		responder.follow(a)
		select {
		case assignments <- a:
		case <-running.Done():
		}
	}, env.Log)

	var talking sync.WaitGroup
	if c.LabClock != "" {
		talking.Go(func() { clock.follow(measuring) })
	}
	talking.Go(func() {
		if err := store.Run(measuring); err != nil {
			end(unhelped(err))
		}
	})
	talking.Go(func() { up.Follow(running) })
	talking.Go(func() { responder.run(measuring) })
	talking.Go(func() { c.renew(measuring, env.Log) })
	talking.Go(func() { up.Deliver(measuring, talk) })
	talking.Go(func() { summarise(measuring, func() { summary(measurer, up, store, env.Log, "summary") }) })

	err = measurer.Run(running, assignments)

	measured()
	stopping()
	talking.Wait()
	summary(measurer, up, store, env.Log, "probe stopped")
	if ctx.Err() == nil {
		err = errors.Join(context.Cause(running), err)
	}
	return err
}

// summarise logs a summary at its pace until the context ends.
func summarise(ctx context.Context, summary func()) {
	ticker := time.NewTicker(summaryEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			summary()
		}
	}
}

func summary(m *measure.Measurer, up *uplink.Uplink, store *spool.Patient, log *slog.Logger, msg string) {
	counts := store.Counts()
	attributes := []any{"made", m.Made(), "delivered", up.Delivered(), "refused", up.Refused(),
		"waiting", counts.Windows, "set_aside", counts.Refused, "dropped_ever", counts.Dropped, "in_memory", m.Held(), "lost_unspooled", m.Lost() + up.GivenUp(), "spool_bytes", counts.Bytes}
	why := up.Trouble()
	if err := store.Trouble(); err != nil {
		why = err.Error()
	}
	if why != "" {
		attributes = append(attributes, "trouble", why)
	}
	log.Info(msg, attributes...)
}
