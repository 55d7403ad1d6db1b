package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// listenAgain is the pause after a reflector that could not be started or died.
const listenAgain = 5 * time.Second

// responder runs the STAMP reflector of a site while its assignment asks for
// one, and lets it answer whom that names.
type responder struct {
	keys []reflect.Key
	log  *slog.Logger

	asked chan duty // what the latest assignment asks for; capacity 1
}

// duty is what an assignment asks of a reflector. The zero duty is none.
type duty struct {
	listen        netip.AddrPort
	authenticated bool
	sources       []netip.Prefix
	rate          float64 // as reflect.Config has it
}

func newResponder(keys []reflect.Key, log *slog.Logger) *responder {
	return &responder{keys: keys, log: log, asked: make(chan duty, 1)}
}

// follow takes a new assignment; run acts on it.
func (r *responder) follow(a *wire.Assignment) {
	d, err := r.dutyOf(a)
	if err != nil {
		r.log.Error("the assignment asks for a reflector that cannot be", "error", err)
		d = duty{}
	}
	select { // the latest counts
	case <-r.asked:
	default:
	}
	r.asked <- d
}

func (r *responder) dutyOf(a *wire.Assignment) (duty, error) {
	if a.Reflector == nil {
		return duty{}, nil
	}
	own, err := netip.ParseAddr(a.Address)
	if err != nil || a.Reflector.Port < 1 || a.Reflector.Port > 65535 {
		return duty{}, fmt.Errorf("%.80q port %d is no place to listen on", a.Address, a.Reflector.Port)
	}
	d := duty{authenticated: a.Reflector.Authenticated}
	d.listen = netip.AddrPortFrom(measure.BindAddress(own), uint16(a.Reflector.Port))
	for _, text := range a.Reflector.Sources {
		source, err := netip.ParseAddr(text)
		if err != nil {
			return duty{}, fmt.Errorf("source %.80q is not an address", text)
		}
		source = source.Unmap()
		if d.authenticated && reflect.Secret(r.keys, source) == nil {
			// Unauthenticated packets of it would be answered otherwise.
			r.log.Error("there is no key for a source, so it is not answered: add it to the file of --stamp-keys and start the probe again", "source", source)
			continue
		}
		d.sources = append(d.sources, netip.PrefixFrom(source, source.BitLen()))
	}
	d.rate = rateFor(a.Reflector.PacketsPerS, d.sources)
	return d, nil
}

// byHand is how many packets a second a person may send beside the tests:
// fibergauge-probe ping at its shortest interval, 10 ms.
const byHand = 100

// rateFor is the rate that lets every source send what its tests ask, and no
// more than a little beside: what is forged in the name of a source is answered
// at that rate too. The tests' packets count twice, because those of two slots
// may leave next to each other, and a probe that is started anew begins before
// its last slot is over. Several sources may share one count. 0 is the default
// of the reflector, for a collector that does not tell what is asked.
func rateFor(packetsPerS float64, sources []netip.Prefix) float64 {
	if !(packetsPerS > 0) {
		return 0
	}
	together, most := map[netip.Addr]int{}, 0
	for _, source := range sources {
		limited := reflect.Limited(source.Addr())
		together[limited]++
		most = max(most, together[limited])
	}
	return byHand + 2*packetsPerS*float64(most)
}

// run works until the context ends.
func (r *responder) run(ctx context.Context) {
	var now duty
	var live *reflecting
	defer func() { live.stop() }()
	again := time.NewTimer(0)
	defer again.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-r.asked:
			if live != nil && (d.listen != now.listen || d.authenticated != now.authenticated) {
				live.stop()
				live = nil
			}
			now, failing = d, false
		case <-live.ended():
			r.log.Error("the reflector ended; it is started again", "error", live.err)
			live, failing = nil, true
			again.Reset(listenAgain)
			continue
		case <-again.C:
		}
		switch {
		case live != nil:
			live.Allow(now.sources)
			live.Limit(now.rate)
		case now.listen.IsValid():
			var err error
			if live, err = r.start(now); err != nil {
				if !failing {
					r.log.Error("the reflector cannot be started; it is tried again", "error", err)
				}
				live, failing = nil, true
				again.Reset(listenAgain)
			}
		}
	}
}

// reflecting is a reflector that runs; nil is none.
type reflecting struct {
	*reflect.Reflector
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

func (r *responder) start(d duty) (*reflecting, error) {
	config := reflect.Config{Listen: []netip.AddrPort{d.listen}, Rate: d.rate, Clock: measure.ClockState, Log: r.log}
	if d.authenticated {
		config.Keys = r.keys
	}
	reflector, err := reflect.Listen(config)
	if err != nil {
		return nil, err
	}
	reflector.Allow(d.sources)
	ctx, cancel := context.WithCancel(context.Background())
	live := &reflecting{Reflector: reflector, cancel: cancel, done: make(chan struct{})}
	var working sync.WaitGroup
	working.Go(func() {
		summarise(ctx, func() { r.log.Info("summary", "since_start", reflector.Counters()) })
	})
	go func() {
		defer close(live.done)
		live.err = reflector.Run(ctx)
		cancel()
		working.Wait()
	}()
	return live, nil
}

func (l *reflecting) stop() {
	if l != nil {
		l.cancel()
		<-l.done
	}
}

// ended is closed when the reflector has died; never for nil.
func (l *reflecting) ended() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.done
}
