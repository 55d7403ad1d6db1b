package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/stamp"
)

type reflectCommand struct {
	Listen  []string `default:"0.0.0.0,::" help:"Addresses of this host to listen on, with port 862 unless one is given: ADDR, ADDR:PORT or [ADDR]:PORT. May be repeated." placeholder:"ADDR[:862]"`
	Allow   []string `help:"Sources that are answered, as prefixes or addresses; no others are. May be repeated." placeholder:"PREFIX"`
	KeyFile string   `help:"YAML list of {prefix, key}: sources in these prefixes are answered only if their packets are authenticated. Keys are 16 bytes or more in hex or base64; only the owner may be able to read the file." placeholder:"FILE"`
	Rate    float64  `default:"2000" help:"Most packets a second from one address (of IPv6, from one /64), 1 or more." placeholder:"N"`
	Format  string   `default:"asked" help:"How replies tell time: asked (as the request does), ntp or ptp." placeholder:"FORM"`
}

// config is what the flags say.
func (c *reflectCommand) config(log *slog.Logger) (reflect.Config, []netip.Prefix, error) {
	config := reflect.Config{Rate: c.Rate, Clock: measure.ClockState, Log: log}
	if !(c.Rate >= 1) {
		return config, nil, fmt.Errorf("--rate: %v is not 1 or more", c.Rate)
	}
	formats := map[string]reflect.Format{"asked": reflect.FormatAsAsked, "ntp": reflect.FormatNTP, "ptp": reflect.FormatPTP}
	var known bool
	if config.Format, known = formats[c.Format]; !known {
		return config, nil, fmt.Errorf("--format: %.40q is not asked, ntp or ptp", c.Format)
	}
	for _, text := range c.Listen {
		local, err := parseListen(text)
		if err != nil {
			return config, nil, fmt.Errorf("--listen: %w", err)
		}
		if local.Port() != 0 && slices.Contains(config.Listen, local) {
			return config, nil, fmt.Errorf("--listen: %v is given twice; keep one", local)
		}
		config.Listen = append(config.Listen, local)
	}
	if len(config.Listen) == 0 {
		return config, nil, errors.New("--listen: no address is given; 0.0.0.0 and :: are every one")
	}
	if len(c.Allow) == 0 {
		return config, nil, errors.New("--allow: no source is given, so nobody would be answered; give the prefixes of the senders, such as --allow 192.0.2.0/24")
	}
	var allowed []netip.Prefix
	for _, text := range c.Allow {
		prefix, err := reflect.ParsePrefix(text)
		if err != nil {
			return config, nil, fmt.Errorf("--allow: %w", err)
		}
		allowed = append(allowed, prefix)
	}
	if c.KeyFile != "" {
		var err error
		if config.Keys, err = reflect.ReadKeys(c.KeyFile); err != nil {
			return config, nil, fmt.Errorf("--key-file: %w", err)
		}
	}
	return config, allowed, nil
}

func parseListen(text string) (netip.AddrPort, error) {
	if local, err := netip.ParseAddrPort(text); err == nil {
		return local, nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%.80q is not an address of this host, such as 192.0.2.1, 192.0.2.1:862 or [2001:db8::1]:862", text)
	}
	return netip.AddrPortFrom(address, stamp.Port), nil
}

// Run answers until it is told to stop.
func (c *reflectCommand) Run(ctx context.Context, env *cli.Env) error {
	config, allowed, err := c.config(env.Log)
	if err != nil {
		return cli.Usage(err)
	}
	for _, prefix := range allowed {
		if prefix.Bits() == 0 {
			env.Log.Warn("every source of this family is answered; forged ones will be too", "allow", prefix)
		}
		if len(config.Keys) > 0 && !slices.ContainsFunc(config.Keys, func(k reflect.Key) bool {
			return k.Prefix.Bits() <= prefix.Bits() && k.Prefix.Contains(prefix.Addr())
		}) {
			env.Log.Warn("no key holds for all of these sources: those without one are answered unauthenticated; add their prefix to the file of --key-file, or allow fewer", "allow", prefix)
		}
	}
	reflector, err := reflect.Listen(config)
	if err != nil {
		return err
	}
	reflector.Allow(allowed)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var logging sync.WaitGroup
	logging.Go(func() {
		summarise(running, func() { env.Log.Info("summary", "since_start", reflector.Counters()) })
	})
	err = reflector.Run(ctx)
	stop()
	logging.Wait()
	env.Log.Info("reflector stopped", "since_start", reflector.Counters())
	return err
}
