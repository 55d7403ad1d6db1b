package run

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
)

// socket is the collector's, in the output folder. It crosses the network
// namespaces, because a Unix socket belongs to the file system.
const socket = "collector.sock"

// collector is the run's collector, which the file may take away for a while.
type collector struct {
	crew    *crew
	program string
	args    []string
	log     *slog.Logger
	child   *child // nil while it is away
}

// readyWithin bounds how long a collector may take until it would store.
const readyWithin = 30 * time.Second

// start starts the collector and returns when it says that it is ready.
func (c *collector) start(ctx context.Context) error {
	var err error
	if c.child, err = c.crew.start("collector", nil, c.program, c.args...); err != nil {
		return err
	}
	return c.ready(ctx)
}

func (c *collector) ready(ctx context.Context) error {
	// A path by descriptor is short, however long that of the folder is.
	dir, err := os.Open(c.crew.folder.path)
	if err != nil {
		return fmt.Errorf("reach the collector: %w", err)
	}
	defer dir.Close() // only read
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socket)
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	answer := "no answer"
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://collector/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask whether the collector is ready: %w", err)
		}
		if response, err := client.Do(request); err == nil {
			response.Body.Close() // nothing is read from it
			if response.StatusCode == http.StatusOK {
				return nil
			}
			answer = response.Status
		}
		select {
		case <-c.child.ended:
			return c.child.death()
		case <-ctx.Done():
			return fmt.Errorf("wait for the collector to be ready: %w (last: %s); its log %s ends: %s", ctx.Err(), answer, c.child.log, c.child.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// leave takes the collector away as an outage says.
func (c *collector) leave(ctx context.Context, how wan.How) error {
	c.log.Info("taking the collector away", "how", how)
	child := c.child
	c.child = nil
	if how == wan.Kill {
		return child.kill()
	}
	if err := child.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return child.wait(ctx, stopWithin)
}

// stop ends the collector if it is there.
func (c *collector) stop(ctx context.Context) error {
	if c.child == nil {
		return nil
	}
	if err := c.child.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return c.child.wait(ctx, stopWithin)
}
