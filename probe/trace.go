package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/ping"
	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/trace"
)

type traceCommand struct {
	Target     string `arg:"" help:"Name or address."`
	Method     string `default:"icmp" help:"Method: icmp (echo) or stamp (RFC 8762)." placeholder:"METHOD"`
	Port       int    `default:"862" help:"With stamp: UDP port of the reflector." placeholder:"N"`
	Source     string `help:"Address of this host to send from." placeholder:"ADDR"`
	SourcePort int    `default:"0" help:"With stamp: UDP port to send from, of a probe that is running; 0 is one of its own." placeholder:"N"`
	Size       int    `default:"0" help:"Length of the IP packet in bytes, header included, up to 9000; 0 is the least possible." placeholder:"BYTES"`
	DSCP       int    `name:"dscp" default:"0" help:"Differentiated services code point, 0 to 63." placeholder:"N"`
	MaxHops    int    `default:"64" help:"Most hops that are asked, 1 to 64." placeholder:"N"`
	KeyFile    string `help:"With stamp: YAML list of {prefix, key}; the packets are authenticated by the key of the target's prefix. Only the owner may be able to read the file." placeholder:"FILE"`
	JSON       bool   `name:"json" help:"Print one JSON object."`
	IPv4       bool   `name:"ipv4" short:"4" help:"Use IPv4 only." xor:"family"`
	IPv6       bool   `name:"ipv6" short:"6" help:"Use IPv6 only." xor:"family"`
}

func (c *traceCommand) check() error {
	switch {
	case c.Method != measure.MethodICMP && c.Method != measure.MethodSTAMP:
		return fmt.Errorf("--method: %.40q is not icmp or stamp", c.Method)
	case c.Method == measure.MethodICMP && (c.Port != stamp.Port || c.SourcePort != 0 || c.KeyFile != ""):
		return errors.New("--port, --source-port and --key-file are for stamp; add --method stamp")
	case c.Target == "":
		return errors.New("the target is empty; give a name or an address")
	case c.Port < 1 || c.Port > 65535:
		return fmt.Errorf("--port: %d is not within 1 to 65535", c.Port)
	case c.SourcePort < 0 || c.SourcePort > 65535:
		return fmt.Errorf("--source-port: %d is not within 0 to 65535", c.SourcePort)
	case c.Size < 0 || c.Size > 9000:
		return fmt.Errorf("--size: %d is not within 0 to 9000", c.Size)
	case c.DSCP < 0 || c.DSCP > 63:
		return fmt.Errorf("--dscp: %d is not within 0 to 63", c.DSCP)
	case c.MaxHops < 1 || c.MaxHops > trace.MaxHops:
		return fmt.Errorf("--max-hops: %d is not within 1 to %d", c.MaxHops, trace.MaxHops)
	}
	return nil
}

// flow is what the flags say of the packets to an address.
func (c *traceCommand) flow(address netip.Addr) (trace.Flow, error) {
	flow := trace.Flow{
		Protocol: trace.ICMP, Destination: netip.AddrPortFrom(address, 0), DSCP: c.DSCP, Size: c.Size,
	}
	var source netip.Addr
	if c.Source != "" {
		var err error
		if source, err = netip.ParseAddr(c.Source); err != nil || source.Zone() != "" {
			return flow, fmt.Errorf("--source: %.80q is not an address", c.Source)
		}
	}
	flow.Source = netip.AddrPortFrom(source, uint16(c.SourcePort))
	if c.Method != measure.MethodSTAMP {
		return flow, flow.Check()
	}
	flow.Protocol, flow.Destination = trace.UDP, netip.AddrPortFrom(address, uint16(c.Port))
	if c.KeyFile != "" {
		keys, err := reflect.ReadKeys(c.KeyFile)
		if err != nil {
			return flow, fmt.Errorf("--key-file: %w", err)
		}
		if flow.Key = reflect.Secret(keys, address); flow.Key == nil {
			return flow, fmt.Errorf("--key-file: %s has no key for %v; add its prefix", c.KeyFile, address)
		}
	}
	return flow, flow.Check()
}

// Run traces, and shows what it found also when it is interrupted.
func (c *traceCommand) Run(ctx context.Context, env *cli.Env) error {
	if err := c.check(); err != nil {
		return cli.Usage(err)
	}
	address, err := ping.Request{Target: c.Target, IPv4: c.IPv4, IPv6: c.IPv6}.Resolve(ctx)
	if err != nil {
		return err
	}
	flow, err := c.flow(address)
	if err != nil {
		return cli.Usage(err)
	}
	options := trace.Options{MaxHops: c.MaxHops}
	if c.SourcePort != 0 {
		options.Watch = 2 * time.Second // of the probe that is said to be running
	}
	result, failed := trace.Run(ctx, flow, options)
	if failed != nil && len(result.Hops) == 0 {
		return failed
	}
	if err := c.print(env, &result); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	if failed != nil {
		return failed
	}
	return result.Err(c.Target)
}

func (c *traceCommand) print(env *cli.Env, result *trace.Result) error {
	if c.JSON {
		return json.NewEncoder(env.Stdout).Encode(struct {
			Target string `json:"target"` // as it was asked for
			*trace.Result
		}{c.Target, result})
	}
	var text bytes.Buffer
	result.Text(&text, c.Target)
	_, err := text.WriteTo(env.Stdout)
	return err
}
