package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/serve"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

type serveCommand struct {
	rules          `embed:""`
	span           `embed:""`
	keeping        `embed:""`
	Store          string `required:"" placeholder:"SPEC" help:"Where the windows are: sqlite:PATH or influx:FILE."`
	Listen         string `default:"127.0.0.1:8470" placeholder:"ADDRESS" help:"Address and port, such as 127.0.0.1:8470; port 0 takes a free one. Other than loopback needs --readers and TLS."`
	Readers        string `placeholder:"FILE" help:"Answer only those who stand in this file, each as their role says; 'readers add' makes it. It is read again when it changes."`
	TLSCertificate string `name:"tls-certificate" placeholder:"FILE" help:"Speak TLS 1.3 only, with this certificate and what comes between it and the root, as PEM. It is read again when it changes."`
	TLSKey         string `name:"tls-key" placeholder:"FILE" help:"Its key, as PEM."`
	filed          `embed:""`
}

// Help says what a request is, and what the flags of a period do here.
func (serveCommand) Help() string {
	return `In a browser / is a web site: the month so far, every month, each pair. With
--readers people log in there with their token.

GET /api/v1/report?period=2025-06 (or from= and to=; and beside=1) answers with
what report --format json prints. --period, or --from and --to, is the period of
requests that name none; without it they are refused.

GET /api/v1/months lists the months of which there is data, and leads to their
reports in every form and to their pairs; /api/v1/series and /api/v1/windows give
what was measured. /api/v1/openapi.yaml describes all of it.`
}

// Run serves reports until the context ends. A period on the command line is
// the one of requests that name none.
func (c *serveCommand) Run(ctx context.Context, env *cli.Env) (err error) {
	address, err := c.address()
	if err != nil {
		return cli.Usage(err)
	}
	key, hook, err := c.filed.check()
	if err != nil {
		return cli.Usage(err)
	}
	m, p, err := c.load(env)
	if err != nil {
		return err
	}
	metrics := serve.NewMetrics(cli.Version())
	certificate, err := c.certificate(metrics, env.Log)
	if err != nil {
		return err
	}
	s, err := open.Reader(ctx, c.Store, env.Log)
	if err != nil {
		return err
	}
	defer closing(s, &err)
	newest, fallback, err := c.foresee(ctx, s, m, p)
	if err != nil {
		return err
	}
	c.warnOf(newest, env)
	who, err := c.whoMayAsk(newest, metrics, env.Log)
	if err != nil {
		return err
	}
	cache, err := c.keeping.open(ctx, c.Store, s, env.Log)
	if err != nil {
		return err
	}
	if cache != nil {
		defer func() { err = errors.Join(err, cache.Close()) }()
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address.String())
	if err != nil {
		if failed, ok := errors.AsType[*net.OpError](err); ok {
			err = failed.Err // the address stands there already
		}
		return fmt.Errorf("listen on %s: %w; give another address with --listen", c.Listen, err)
	}
	server := &serve.Server{
		Mesh: m, Policy: p, Store: s, Days: cache, Fallback: fallback,
		Ahead: cache != nil, GeneratedBy: generatedBy(), Metrics: metrics, Log: env.Log,
	}
	scheme, encryption := "http", (*tls.Config)(nil)
	if certificate != nil {
		scheme, encryption = "https", serve.TLS(certificate)
	}
	env.Log.Info("serving the portal, and the API below api/v1/", "url", scheme+"://"+listener.Addr().String()+"/")
	var following sync.WaitGroup
	defer following.Wait() // after stop
	follow, stop := context.WithCancel(ctx)
	defer stop()
	if cache != nil {
		following.Go(func() { server.Prepare(follow) })
	}
	if who != nil {
		server.Readers = who.Current
		following.Go(func() { who.Run(follow) })
	}
	if certificate != nil {
		following.Go(func() { certificate.Run(follow) })
	}
	c.filed.run(follow, &following, server, key, hook, c.keeping.folder())
	return server.Run(ctx, listener, encryption)
}

// foresee finds out before any request whether the policy fits the mesh of now,
// and gives the period of requests that name none; nil if none is given.
func (c *serveCommand) foresee(ctx context.Context, s store.Reader, m *mesh.Mesh, p *policy.Policy) (newest *mesh.Mesh, fallback *report.Period, err error) {
	all, err := report.ReadMeshes(ctx, s, m)
	if err != nil {
		return nil, nil, err
	}
	if newest, err = all.Newest(); err != nil {
		return nil, nil, cli.Usage(err)
	}
	if !c.given() {
		_, err = planBy(all, p, span{Period: time.Now().In(newest.Location()).Format("2006")})
		return newest, nil, err
	}
	plan, err := planBy(all, p, c.span)
	if err != nil {
		return nil, nil, err
	}
	return newest, &plan.Period, nil
}

// address refuses every combination by which a token could be read on the way,
// or somebody without one could ask from another machine.
func (c *serveCommand) address() (netip.AddrPort, error) {
	address, err := netip.ParseAddrPort(c.Listen)
	switch {
	case err != nil:
		return address, fmt.Errorf("--listen %s is not an address and port such as 127.0.0.1:8470", c.Listen)
	case (c.TLSCertificate == "") != (c.TLSKey == ""):
		return address, errors.New("--tls-certificate goes with --tls-key; give both")
	case address.Addr().Unmap().IsLoopback():
		return address, nil
	case c.Readers == "":
		return address, fmt.Errorf("--listen %s is not loopback; without --readers this program serves 127.0.0.0/8 and [::1] only", c.Listen)
	case c.TLSKey == "":
		return address, fmt.Errorf("--listen %s is not loopback, and without TLS everybody on the way could read the tokens; give --tls-certificate and --tls-key", c.Listen)
	}
	return address, nil
}

// whoMayAsk follows the readers file; nil if there is none.
func (c *serveCommand) whoMayAsk(m *mesh.Mesh, metrics *serve.Metrics, log *slog.Logger) (*serve.Followed[readers.List], error) {
	if c.Readers == "" {
		return nil, nil
	}
	load := func() (*readers.List, error) { return readers.Load(c.Readers) }
	if _, err := load(); err != nil {
		return nil, err // before its hash, whose errors say less
	}
	return serve.Follow("readers", []string{c.Readers}, load, func(l *readers.List) {
		for _, r := range l.Readers() {
			for _, carrier := range r.Carriers {
				if !slices.ContainsFunc(m.Carriers, func(c mesh.Carrier) bool { return c.ID == carrier }) {
					log.Warn("a reader stands for a carrier that the mesh does not have, and sees no links of it", "reader", r.Name, "carrier", carrier)
				}
			}
		}
	}, metrics, log)
}

// certificate follows certificate and key; nil if there are none.
func (c *serveCommand) certificate(metrics *serve.Metrics, log *slog.Logger) (*serve.Followed[tls.Certificate], error) {
	if c.TLSKey == "" {
		return nil, nil
	}
	followed, err := serve.FollowCertificate(c.TLSCertificate, c.TLSKey, metrics, log)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return followed, nil
}
