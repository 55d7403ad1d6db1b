package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/ping"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
)

type pingCommand struct {
	Target   string        `arg:"" help:"Name or address."`
	Count    int           `default:"10" short:"c" help:"Packets that count, 1 to 100000; one more goes ahead to warm up the way." placeholder:"N"`
	Interval time.Duration `default:"1s" short:"i" help:"Length of the slots, 10ms to 1m; each packet leaves at a random moment of its slot." placeholder:"D"`
	Size     int           `default:"84" help:"Length of the IP packet in bytes, header included, 72 to 9000." placeholder:"BYTES"`
	DSCP     int           `name:"dscp" default:"0" help:"Differentiated services code point, 0 to 63." placeholder:"N"`
	Timeout  time.Duration `default:"3s" help:"How long after its sending a packet is lost, 10ms to 1m." placeholder:"D"`
	Method   string        `default:"icmp" help:"Method: icmp; stamp (RFC 8762) is not measured by this version." placeholder:"METHOD"`
	JSON     bool          `name:"json" help:"Print one JSON object."`
	IPv4     bool          `name:"ipv4" short:"4" help:"Use IPv4 only." xor:"family"`
	IPv6     bool          `name:"ipv6" short:"6" help:"Use IPv6 only." xor:"family"`
}

func (c *pingCommand) check() error {
	switch {
	case c.Method == "stamp":
		return fmt.Errorf("--method: stamp is not measured by this version; use icmp")
	case c.Method != measure.MethodICMP:
		return fmt.Errorf("--method: %.40q is not icmp or stamp", c.Method)
	case c.Target == "":
		return fmt.Errorf("the target is empty; give a name or an address")
	case c.Count < 1 || c.Count > 100_000:
		return fmt.Errorf("--count: %d is not within 1 to 100000", c.Count)
	case c.Interval < 10*time.Millisecond || c.Interval > time.Minute:
		return fmt.Errorf("--interval: %v is not within 10ms to 1m", c.Interval)
	case c.Size < 72 || c.Size > 9000:
		return fmt.Errorf("--size: %d is not within 72 to 9000", c.Size)
	case c.DSCP < 0 || c.DSCP > 63:
		return fmt.Errorf("--dscp: %d is not within 0 to 63", c.DSCP)
	case c.Timeout < 10*time.Millisecond || c.Timeout > time.Minute:
		return fmt.Errorf("--timeout: %v is not within 10ms to 1m", c.Timeout)
	}
	return nil
}

// Run measures the target, also when it is interrupted, and shows what it has.
func (c *pingCommand) Run(ctx context.Context, env *cli.Env) error {
	if err := c.check(); err != nil {
		return cli.Usage(err)
	}
	request := ping.Request{
		Target: c.Target, IPv4: c.IPv4, IPv6: c.IPv6, Count: c.Count, Interval: c.Interval,
		Timeout: c.Timeout, SizeBytes: c.Size, DSCP: c.DSCP,
	}
	address, err := request.Resolve(ctx)
	if err != nil {
		return err
	}
	mode, err := measure.DetectMode(address.Is6())
	if err != nil {
		return err
	}
	if tap, err := stopwatch.OpenTap(); err != nil {
		env.Log.Info("timed in user space: the RTTs are upper bounds", "error", err)
	} else {
		defer tap.Close()
		request.Tap = tap
	}
	var live io.Writer
	if !c.JSON && isTerminal(env.Stdout) {
		live = env.Stdout
	}
	result := request.Run(ctx, address, mode, live, env.Log)
	if c.JSON {
		if err := json.NewEncoder(env.Stdout).Encode(result); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
	} else {
		var text bytes.Buffer
		result.Text(&text, ping.Style{Color: live != nil && os.Getenv("NO_COLOR") == ""})
		if _, err := text.WriteTo(env.Stdout); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
	}
	return result.Err()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
