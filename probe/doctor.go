package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/doctor"
	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/uplink"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// doctorCommand has the flags of run that its checks need; none is required.
type doctorCommand struct {
	Site        string `help:"Identifier of this site in the mesh, to see what the collector assigns." placeholder:"ID"`
	Collector   string `help:"Where the collector listens, as for run." placeholder:"URL"`
	Spool       string `help:"Folder of the spool, as for run." placeholder:"DIR"`
	SpoolMaxMiB int64  `name:"spool-max-mib" default:"1024" help:"Largest size of what the spool keeps, in MiB, as for run." placeholder:"N"`
	StampKeys   string `help:"Keys of authenticated STAMP, as for run." placeholder:"FILE"`
	Identity    string `help:"Folder with the certificate and the keys of this site, as for run." placeholder:"DIR"`
	JSON        bool   `name:"json" help:"Print one JSON object."`

	collector uplink.Collector
	keys      []reflect.Key
}

func (c *doctorCommand) check() error {
	if c.Site != "" && !wire.IsIdentifier(c.Site) {
		return fmt.Errorf("--site: %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", c.Site, wire.MaxIdentifier)
	}
	if c.SpoolMaxMiB < 1 || c.SpoolMaxMiB > 1<<20 {
		return fmt.Errorf("--spool-max-mib: %d is not within 1 to %d", c.SpoolMaxMiB, 1<<20)
	}
	var err error
	if c.StampKeys != "" {
		if c.keys, err = reflect.ReadKeys(c.StampKeys); err != nil {
			return fmt.Errorf("--stamp-keys: %w", err)
		}
	}
	if c.Collector == "" {
		return nil
	}
	if c.collector, err = uplink.ParseCollector(c.Collector); err != nil {
		return fmt.Errorf("--collector: %w", err)
	}
	return nil
}

// Help says what is done on the network.
func (doctorCommand) Help() string {
	return `Looks at this host with the rights it is run with: run it as the service runs.
It sends a few packets to this host, and out of each of at most 16 interfaces
up to three small multicast packets with TTL 1, which no router passes on (UDP
to 224.0.0.1 or ff02::1, port 9). It asks the collector for the assignment, opens
the reflector's port for a moment, and writes a file into the folders of the
spool and the identity and removes it. It changes nothing.

Marks: ✓ well, ! measures but not as well as it could, ✗ must be mended,
– not asked. Exit status: 0 without ✗, 1 with one.`
}

// Run looks at everything, and fails after the last line if something would
// not work.
func (c *doctorCommand) Run(ctx context.Context, env *cli.Env) error {
	if err := c.check(); err != nil {
		return cli.Usage(err)
	}
	style := doctor.Style{}
	if f, ok := env.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		style = doctor.Style{Color: os.Getenv("NO_COLOR") == "", Width: 80}
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			style.Width = width
		}
	}
	var unsaid error
	show := func(f doctor.Finding) { unsaid = errors.Join(unsaid, f.Write(env.Stdout, style)) }
	if c.JSON {
		show = func(doctor.Finding) {}
	}
	report := doctor.Examine(ctx, c.checks(env), show)
	report.Site, report.Version = c.Site, cli.Version()
	if c.JSON {
		unsaid = json.NewEncoder(env.Stdout).Encode(report)
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("doctor: stopped before the last check")
	case report.Failed > 0:
		return fmt.Errorf("doctor: %d of the findings must be mended, %d could be", report.Failed, report.Warnings)
	case unsaid != nil:
		return fmt.Errorf("print the findings: %w", unsaid)
	}
	return nil
}

// client speaks as the probe would, where it has an identity to speak with.
func (c *doctorCommand) client(log *slog.Logger) *http.Client {
	if c.collector.TLS() && c.Identity != "" && c.Site != "" {
		if folder, err := identity.Open(c.Identity, c.Site, log); err == nil {
			return c.collector.Client(folder.Transport)
		}
		// Why not, the check of the identity tells.
	}
	return c.collector.Client(nil)
}

func (c *doctorCommand) checks(env *cli.Env) []doctor.Check {
	root, ipv6 := os.DirFS("/"), doctor.HasIPv6()
	groups, _ := os.Getgroups() // none where the system has none
	groups = append(groups, os.Getegid())
	slices.Sort(groups)
	collector := &doctor.Collector{
		Site: c.Site, Now: time.Now, Proxy: http.ProxyFromEnvironment,
		Check: func(a *wire.Assignment) error { return measure.Check(a, c.Site) },
		Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	}
	if c.Collector != "" {
		collector.URL, collector.Base, collector.Client = c.collector.String(), c.collector.String(), c.client(env.Log)
		if strings.HasPrefix(collector.URL, "unix:") {
			collector.Base, collector.Proxy = "http://collector", nil // never looked up
		}
	}
	return []doctor.Check{
		doctor.Rights(root),
		doctor.PingGroups(root, slices.Compact(groups)),
		doctor.ICMPSockets(measure.DetectMode, ipv6),
		doctor.HostTimestamps(ipv6, env.Log).Check,
		doctor.Clock(measure.ClockState, root),
		doctor.Spool(c.Spool, c.SpoolMaxMiB<<20, doctor.Free),
		doctor.Identity(c.Identity, c.Site, c.collector.TLS(), time.Now),
		collector.Resolve,
		collector.Ask,
		collector.STAMP(doctor.Listen, func(a netip.Addr) bool { return reflect.Secret(c.keys, a) != nil }),
		collector.MTU(doctor.RouteTo),
	}
}
