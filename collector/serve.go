package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/collector/api"
	"github.com/fibergauge/fibergauge/collector/listen"
	"github.com/fibergauge/fibergauge/collector/meshes"
	"github.com/fibergauge/fibergauge/collector/metrics"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

// meshPoll is how often the mesh file is looked at.
const meshPoll = 2 * time.Second

// settings are the flags that serve and check share, so that what check finds
// good serve takes. The store is not among them: check goes without one.
type settings struct {
	Mesh            string        `required:"" placeholder:"FILE" help:"The mesh file."`
	Listen          string        `default:"127.0.0.1:8862" placeholder:"ADDR" help:"Where to listen: a loopback address such as 127.0.0.1:8862, or unix:PATH; with TLS any address of this machine, or :8862 for all."`
	SocketMode      string        `default:"0600" enum:"0600,0660" placeholder:"MODE" help:"Permissions of the Unix socket: 0600, or 0660 for the group too."`
	FutureTolerance time.Duration `default:"60s" placeholder:"TIME" help:"How far after the collector's clock a window may end."`
	PastTolerance   time.Duration `default:"43800h" placeholder:"TIME" help:"How long before the collector's clock a window may have ended; 0s is no limit."`
	SiteRate        float64       `default:"20" placeholder:"N" help:"Requests a second that one site may send on average, twice as many at once."`
	MaxBatches      int           `default:"32" placeholder:"N" help:"Batches in hand at once; each takes some 80 MiB at worst."`
	MaxConnections  int           `default:"4096" placeholder:"N" help:"Connections open at once; above it, who has waited longest without a request makes room."`
	StoreTimeout    time.Duration `default:"20s" placeholder:"TIME" help:"How long the store may take to confirm a batch."`
	StopTimeout     time.Duration `default:"10s" placeholder:"TIME" help:"How long requests in hand may take after SIGTERM."`
	encryption      `embed:""`
}

// check tells what is wrong with the flags by themselves.
func (s *settings) check() (listen.Address, error) {
	parse := listen.ParseAddress
	if s.encrypted() {
		parse = listen.ParseAnyAddress
	}
	address, err := parse(s.Listen)
	if err == nil {
		err = s.encryption.check()
	}
	switch {
	case err != nil:
	case s.FutureTolerance < 0 || s.FutureTolerance > time.Hour:
		err = fmt.Errorf("future-tolerance: %s is not within 0s to 1h", s.FutureTolerance)
	case s.PastTolerance != 0 && s.PastTolerance < time.Hour || s.PastTolerance > 1_000_000*time.Hour:
		err = fmt.Errorf("past-tolerance: %s is not 0s or within 1h to 1000000h", s.PastTolerance)
	case !(s.SiteRate > 0 && s.SiteRate <= 10_000):
		err = fmt.Errorf("site-rate: %g is not above 0 and at most 10000", s.SiteRate)
	case s.MaxBatches < 1 || s.MaxBatches > 10_000:
		err = fmt.Errorf("max-batches: %d is not within 1 to 10000", s.MaxBatches)
	case s.MaxConnections < 16 || s.MaxConnections > 1_000_000:
		err = fmt.Errorf("max-connections: %d is not within 16 to 1000000", s.MaxConnections)
	case s.StoreTimeout < time.Second || s.StoreTimeout > 10*time.Minute:
		err = fmt.Errorf("store-timeout: %s is not within 1s to 10m", s.StoreTimeout)
	case s.StopTimeout < 0 || s.StopTimeout > 10*time.Minute:
		err = fmt.Errorf("stop-timeout: %s is not within 0s to 10m", s.StopTimeout)
	}
	if err != nil {
		return listen.Address{}, cli.Usage(err)
	}
	return address, nil
}

func (s *settings) limits() api.Limits {
	limits := api.DefaultLimits()
	limits.SiteRate, limits.SiteBurst = s.SiteRate, max(1, int(2*s.SiteRate))
	limits.Batches, limits.StoreTimeout = s.MaxBatches, s.StoreTimeout
	limits.Connections = s.MaxConnections
	limits.Arriving = min(limits.Arriving, max(1, s.MaxConnections/4))
	return limits
}

type serve struct {
	settings
	Store string `required:"" placeholder:"SPEC" help:"Where windows are kept: sqlite:PATH or influx:FILE."`
}

// Run opens everything, in the order in which a mistake is cheapest, and
// serves until the context ends.
func (s *serve) Run(ctx context.Context, env *cli.Env) (err error) {
	address, err := s.settings.check()
	if err != nil {
		return err
	}
	m, err := mesh.Load(s.Mesh)
	if err != nil {
		return err
	}
	guard, err := s.guard(env.Log)
	if err != nil {
		return err
	}
	mode, err := strconv.ParseUint(s.SocketMode, 8, 32)
	if err != nil {
		panic(err) // the enum of the flag allows no other
	}
	listener, err := address.Open(ctx, fs.FileMode(mode))
	if err != nil {
		return err
	}
	opened, err := open.Writer(ctx, s.Store, env.Log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	c := assemble(&s.settings, opened, guard, env.Log)
	c.announce(listener, s.Store, m)
	return c.run(ctx, listener, m)
}

// collector is the parts of a collector, put together.
type collector struct {
	*settings
	follower *meshes.Follower
	api      *api.API
	guard    *guard // nil without TLS
	log      *slog.Logger
}

func assemble(s *settings, opened store.Store, guard *guard, log *slog.Logger) *collector {
	counters := metrics.New(cli.Version())
	observed := counters.Observe(opened)
	config := api.Config{Identify: api.SiteInPath}
	if guard != nil {
		guard.admit(&config, observed, counters, log)
	}
	versions := meshes.NewVersions(observed, time.Now, log)
	config.Mesh = versions.Current
	config.Admitter = &admission.Desk{
		Store: observed, Meshes: versions, Now: time.Now, FutureTolerance: s.FutureTolerance, PastTolerance: s.PastTolerance,
		SignedOnly: guard != nil && !s.AllowUnsigned,
	}
	config.Ready, config.Metrics, config.Limits = observed.Ready, counters, s.limits()
	config.Now, config.Log = time.Now, log
	return &collector{
		settings: s,
		log:      log,
		follower: &meshes.Follower{
			File: s.Mesh, Versions: versions, Every: meshPoll, Timeout: s.StoreTimeout, Log: log,
			Served: func(m *mesh.Mesh) {
				counters.MeshServed(m)
				log.Info("serving mesh", meshAttrs(m, time.Now())...)
				for _, warning := range m.Warnings() {
					log.Warn("mesh: " + warning)
				}
			},
			Failed: counters.MeshRefused,
		},
		api:   api.New(config),
		guard: guard,
	}
}

func (c *collector) announce(listener net.Listener, spec string, m *mesh.Mesh) {
	started := "collector started, without TLS: local connections only"
	if c.guard != nil {
		started = "collector started, with TLS"
	}
	c.log.Info(started,
		append([]any{"version", cli.Version(), "address", display(listener.Addr()), "store", spec, "mesh_file", c.Mesh},
			meshAttrs(m, time.Now())...)...)
}

// run serves until the context ends or the listener fails. The mesh is
// followed as long as requests are answered.
func (c *collector) run(ctx context.Context, listener net.Listener, m *mesh.Mesh) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	c.follower.Nudge = hangup

	begin, enough := context.WithTimeout(ctx, meshPoll)
	c.follower.Begin(begin, m)
	enough()
	following, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.follower.Run(following) })
	if c.guard != nil {
		listener = tls.NewListener(listener, c.guard.keeper.TLS())
		wg.Go(func() { c.guard.run(following) })
	}
	err := c.api.Serve(ctx, listener, c.StopTimeout)
	stop()
	wg.Wait()
	if err == nil {
		c.log.Info("collector stopped")
	}
	return err
}

// meshAttrs describe a mesh in the log.
func meshAttrs(m *mesh.Mesh, now time.Time) []any {
	links := 0
	for i := range m.Measure {
		links += len(m.Links(&m.Measure[i], now, now.Add(1)))
	}
	return []any{"mesh", m.Name, "sha256", m.SHA256(), "clusters", len(m.Clusters), "sites", len(m.Sites), "tests", len(m.Measure), "links_now", links}
}

// display is an address in the form of --listen.
func display(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}
