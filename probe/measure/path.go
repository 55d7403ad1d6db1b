package measure

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fibergauge/fibergauge/probe/trace"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Bounds of tracing: a path that flaps, or many that change at once, must not
// make a flood.
const (
	traceAgain   = 5 * time.Minute // after a trace, the same link is not traced before
	tracesAtOnce = 2
	// watchAtMost leaves time for the trace before the window is made.
	watchAtMost = 4 * time.Second
)

// tracer traces paths that seem to have changed.
type tracer struct {
	run   func(context.Context, trace.Flow, trace.Options) (trace.Result, error)
	log   *slog.Logger
	ctx   context.Context
	busy  atomic.Int32
	never atomic.Bool // it is not allowed
}

// look has the path of a flow traced if a window asks for it.
func (t *tracer) look(a *assigned, now time.Duration) {
	trigger := a.book.Suspect()
	if trigger == "" {
		return
	}
	if t.never.Load() || a.traced > 0 && now < a.traced+traceAgain || t.busy.Load() >= tracesAtOnce {
		a.book.Traced(nil)
		return
	}
	a.traced = now
	t.busy.Add(1)
	go func() {
		defer t.busy.Add(-1)
		a.book.Traced(t.trace(a, trigger))
	}()
}

func (t *tracer) trace(a *assigned, trigger string) *wire.Path {
	flow, options := a.traceFlow()
	result, err := t.run(t.ctx, flow, options)
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES):
		if !t.never.Swap(true) {
			t.log.Warn("paths that seem to have changed are not traced", "error", err)
		}
		return nil
	case err != nil:
		t.log.Warn("the path seems to have changed and could not be traced", "link", a.name, "trigger", trigger, "error", err)
		return nil
	}
	t.log.Info("the path seems to have changed", "link", a.name, "trigger", trigger, "hops", len(result.Hops), "reached", result.Reached)
	return result.Path(trigger)
}

// traceFlow is what the packets of the flow have in common.
func (a *assigned) traceFlow() (trace.Flow, trace.Options) {
	p := a.plan
	f := trace.Flow{
		Protocol: trace.ICMP, Source: netip.AddrPortFrom(SourceFor(p.spec.Source), 0), Destination: netip.AddrPortFrom(p.spec.Address, 0),
		DSCP: p.spec.DSCP, Size: p.spec.SizeBytes,
	}
	// What only the packets of the test show: the system's choice of their
	// identifier, and of the label of IPv6.
	options := trace.Options{Watch: min(2*p.spec.Interval, watchAtMost)}
	if p.labels.Method == MethodSTAMP {
		f.Protocol, f.Key = trace.UDP, a.key
		f.Destination = netip.AddrPortFrom(p.spec.Address, uint16(p.stamp.Port))
		if local := a.local(); local.IsValid() {
			f.Source = local
		}
		if p.spec.Address.Is4() {
			options.Watch = 0
		}
	}
	return f, options
}
