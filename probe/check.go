package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/uplink"
	"github.com/fibergauge/fibergauge/probe/wire"
)

type checkCommand struct {
	site `embed:""`
}

// Run says what the run command would do, a line for each part, and fails
// after the last line if any part would not work.
func (c *checkCommand) Run(ctx context.Context, env *cli.Env) error {
	if err := c.check(); err != nil {
		return cli.Usage(err)
	}
	failed := 0
	var unsaid error
	say := func(part, format string, args ...any) {
		if _, err := fmt.Fprintf(env.Stdout, "%-10s %s\n", part, fmt.Sprintf(format, args...)); err != nil {
			unsaid = fmt.Errorf("print the findings: %w", err)
		}
	}
	fail := func(part string, err error) { say(part, "FAILS: %v", err); failed++ }

	say("site", "%s, windows marked %s", c.Site, c.Origin)
	ipv6 := false
	store, err := c.openSpool(env.Log)
	if err != nil {
		fail("spool", err)
	} else {
		defer store.Close()
		say("spool", "%s can be written; %s; at most %d MiB", store.Path(), told(store.Counts()), c.SpoolMaxMiB)
	}

	if err := c.identify(env.Log); err != nil {
		fail("identity", err)
	} else if text, err := c.identified(time.Now()); err != nil {
		fail("identity", err)
	} else {
		say("identity", "%s", text)
	}

	asked, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// The answer is shown and not kept: the probe must fetch it for itself.
	a, _, err := c.uplink(noStore{}, nil, env.Log).Fetch(asked, "")
	if err != nil {
		fail("collector", err)
	} else {
		say("collector", "%s answers; mesh %s", c.collector, a.MeshSHA256)
		for _, t := range a.Tasks {
			say("test", "%s by %s to %s, a packet of %d bytes every %d ms, DSCP %d, windows of %d s%s",
				t.Test, t.Method, cli.Count(len(t.Targets), "target"), t.SizeBytes, t.IntervalMS, t.DSCP, t.WindowS, remark(t))
		}
		if r := a.Reflector; r != nil {
			kind := ""
			if r.Authenticated {
				kind = ", authenticated packets only"
			}
			say("reflector", "answers STAMP on %s port %d for %s%s", a.Address, r.Port, cli.Count(len(r.Sources), "site"), kind)
		}
		if without := c.keyless(a); len(without) > 0 {
			fail("keys", fmt.Errorf("STAMP with %s is authenticated; give the file of --stamp-keys a prefix that holds each", strings.Join(without, ", ")))
		}
		if len(a.Tasks) == 0 {
			say("test", "none: nothing is measured from this site")
		}
		if address, err := netip.ParseAddr(a.Address); err == nil {
			ipv6 = address.Is6()
		}
	}
	if mode, err := measure.DetectMode(ipv6); err != nil {
		fail("icmp", err)
	} else {
		say("icmp", "%s sockets", mode)
	}
	if failed > 0 {
		return fmt.Errorf("check: %s would not work; fibergauge-probe doctor says what to do", cli.Count(failed, "part"))
	}
	return unsaid
}

// keyless lists the addresses that the assignment wants STAMP authenticated
// with and for which there is no key.
func (c *checkCommand) keyless(a *wire.Assignment) []string {
	var asked []string
	for _, t := range a.Tasks {
		for _, target := range t.Targets {
			if target.STAMP != nil && target.STAMP.Authenticated {
				asked = append(asked, target.Address)
			}
		}
	}
	if a.Reflector != nil && a.Reflector.Authenticated {
		asked = append(asked, a.Reflector.Sources...)
	}
	slices.Sort(asked)
	return slices.DeleteFunc(slices.Compact(asked), func(text string) bool {
		address, err := netip.ParseAddr(text)
		return err == nil && reflect.Secret(c.keys, address) != nil
	})
}

func remark(t wire.Task) string {
	if t.Method != measure.MethodICMP && t.Method != measure.MethodSTAMP {
		return "; LEFT OUT: this version does not measure by this method"
	}
	return ""
}

// noStore takes the place of a spool where nothing is kept.
type noStore struct{ uplink.Store }

func (noStore) KeepAssignment([]byte, string) error { return nil }
