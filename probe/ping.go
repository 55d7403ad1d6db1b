package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/ping"
	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

type pingCommand struct {
	Target   string        `arg:"" help:"Name or address."`
	Count    int           `default:"10" short:"c" help:"Packets that count, 1 to 100000; one more goes ahead to warm up the way." placeholder:"N"`
	Interval time.Duration `default:"1s" short:"i" help:"Length of the slots, 10ms to 1m; each packet leaves at a random moment of its slot." placeholder:"D"`
	Size     int           `default:"0" help:"Length of the IP packet in bytes, header included, 72 to 9000; 0 is 84 with icmp, and 128 with stamp, or 192 with a key." placeholder:"BYTES"`
	DSCP     int           `name:"dscp" default:"0" help:"Differentiated services code point, 0 to 63." placeholder:"N"`
	Timeout  time.Duration `default:"3s" help:"How long after its sending a packet is lost, 10ms to 1m." placeholder:"D"`
	Method   string        `default:"icmp" help:"Method: icmp (echo) or stamp (RFC 8762)." placeholder:"METHOD"`
	Port     int           `default:"862" help:"With stamp: UDP port of the reflector." placeholder:"N"`
	KeyFile  string        `help:"With stamp: YAML list of {prefix, key}; the packets are authenticated by the key of the target's prefix. Only the owner may be able to read the file." placeholder:"FILE"`
	PTP      bool          `name:"ptp" help:"With stamp: send timestamps in the format of PTP instead of NTP's."`
	Plain    bool          `help:"With stamp: pad the packets instead of extending them, for TWAMP-Light peers."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
	IPv4     bool          `name:"ipv4" short:"4" help:"Use IPv4 only." xor:"family"`
	IPv6     bool          `name:"ipv6" short:"6" help:"Use IPv6 only." xor:"family"`
}

func (c *pingCommand) check() error {
	switch {
	case c.Method != measure.MethodICMP && c.Method != measure.MethodSTAMP:
		return fmt.Errorf("--method: %.40q is not icmp or stamp", c.Method)
	case c.Method == measure.MethodICMP && (c.Port != stamp.Port || c.KeyFile != "" || c.PTP || c.Plain):
		return errors.New("--port, --key-file, --ptp and --plain are for stamp; add --method stamp")
	case c.Port < 1 || c.Port > 65535:
		return fmt.Errorf("--port: %d is not within 1 to 65535", c.Port)
	case c.Target == "":
		return fmt.Errorf("the target is empty; give a name or an address")
	case c.Count < 1 || c.Count > 100_000:
		return fmt.Errorf("--count: %d is not within 1 to 100000", c.Count)
	case c.Interval < 10*time.Millisecond || c.Interval > time.Minute:
		return fmt.Errorf("--interval: %v is not within 10ms to 1m", c.Interval)
	case c.Size != 0 && (c.Size < 72 || c.Size > 9000):
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
	var mode measure.Mode
	if c.Method == measure.MethodSTAMP {
		if err := c.speakSTAMP(&request, address); err != nil {
			return cli.Usage(err)
		}
	} else {
		if mode, err = measure.DetectMode(address.Is6()); err != nil {
			return err
		}
		if tap, err := stopwatch.OpenTap(); err != nil {
			env.Log.Info("timed in user space: the RTTs are upper bounds", "error", err)
		} else {
			defer tap.Close()
			request.Tap = tap
		}
	}
	if request.SizeBytes == 0 {
		request.SizeBytes = 84
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

// speakSTAMP makes the request one by STAMP.
func (c *pingCommand) speakSTAMP(request *ping.Request, address netip.Addr) error {
	request.STAMP = &wire.STAMPTarget{Port: c.Port, Timestamps: "ntp", Authenticated: c.KeyFile != "", Plain: c.Plain}
	if c.PTP {
		request.STAMP.Timestamps = "ptp"
	}
	usual := 128
	if c.KeyFile != "" {
		keys, err := reflect.ReadKeys(c.KeyFile)
		if err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
		if request.Key = reflect.Secret(keys, address); request.Key == nil {
			return fmt.Errorf("--key-file: %s has no key for %v; add its prefix", c.KeyFile, address)
		}
		usual = 192
	}
	if request.SizeBytes == 0 {
		request.SizeBytes = usual
	}
	if err := measure.CheckSTAMP(request.Spec(address), *request.STAMP); err != nil {
		return fmt.Errorf("--size: %w", err)
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
