package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/serve"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

type serveCommand struct {
	rules  `embed:""`
	span   `embed:""`
	Store  string `required:"" placeholder:"SPEC" help:"Where the windows are: sqlite:PATH or influx:FILE."`
	Listen string `default:"127.0.0.1:8470" placeholder:"ADDRESS" help:"Loopback address and port, such as 127.0.0.1:8470; port 0 takes a free one."`
}

// Run serves reports until the context ends. A period on the command line is
// the one of requests that name none.
func (c *serveCommand) Run(ctx context.Context, env *cli.Env) (err error) {
	address, err := loopback(c.Listen)
	if err != nil {
		return cli.Usage(err)
	}
	m, p, err := c.load(env)
	if err != nil {
		return err
	}
	fallback, err := c.fallback(m, p)
	if err != nil {
		return err
	}
	s, err := open.Reader(ctx, c.Store, env.Log)
	if err != nil {
		return err
	}
	defer closing(s, &err)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address.String())
	if err != nil {
		if failed, ok := errors.AsType[*net.OpError](err); ok {
			err = failed.Err // the address stands there already
		}
		return fmt.Errorf("listen on %s: %w; give another address with --listen", c.Listen, err)
	}
	env.Log.Info("serving reports", "url", "http://"+listener.Addr().String()+serve.ReportPath)
	server := &serve.Server{Mesh: m, Policy: p, Store: s, Fallback: fallback, GeneratedBy: generatedBy(), Log: env.Log}
	return server.Run(ctx, listener)
}

// fallback is the period of requests that name none; nil if none is given. It
// also finds out before any request whether the policy fits the mesh.
func (c *serveCommand) fallback(m *mesh.Mesh, p *policy.Policy) (*report.Period, error) {
	period, err := report.ParsePeriod("2025", "", "", m.Location())
	if c.given() {
		period, err = c.parse(m.Location())
	}
	if err != nil {
		return nil, err
	}
	if _, err := report.NewPlan(m, p, period); err != nil {
		return nil, cli.Usage(err)
	}
	if !c.given() {
		return nil, nil
	}
	return &period, nil
}

// loopback refuses every address from which another machine could ask: there
// is neither TLS nor identity here.
func loopback(listen string) (netip.AddrPort, error) {
	address, err := netip.ParseAddrPort(listen)
	if err != nil {
		return address, fmt.Errorf("--listen %s is not an address and port such as 127.0.0.1:8470", listen)
	}
	if !address.Addr().IsLoopback() {
		return address, fmt.Errorf("--listen %s is not loopback; this program serves 127.0.0.0/8 and [::1] only", listen)
	}
	return address, nil
}
