package measure

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fibergauge/fibergauge/probe/trace"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Config is what a Measurer needs.
type Config struct {
	Origin  wire.Origin
	Version string // of the probe, for the windows
	Seed    uint64 // of the moments of sending
	Session uint64
	// Raise makes a new session, recorded durably.
	Raise func() (uint64, error)
	// Put stores windows durably. After an error they are put again.
	Put func([]wire.Window) error
	// Tap times ICMP packets in the kernel; nil: the process does.
	Tap Tap
	// STAMPKey gives the key of a reflector for authenticated packets; nil, or
	// a nil key: there is none.
	STAMPKey func(netip.Addr) []byte
	Clock    Clock // nil: SystemClock
	Log      *slog.Logger
}

// Limits of the Measurer.
const (
	// collectEvery is how often finished windows are looked for.
	collectEvery = 200 * time.Millisecond
	// paused is how long nothing is collected only where the process was kept
	// from running.
	paused = 2 * time.Second
	// maxUnsaved bounds the windows kept in memory while Put fails.
	maxUnsaved = 20_000
	// putAtOnce is how many windows are stored by one transaction.
	putAtOnce = 250
	// putAgain is the pause after a Put that failed, and complainAgain the least
	// between two complaints: a disk that is full must not be filled with these,
	// nor the processor with trying.
	putAgain      = 5 * time.Second
	complainAgain = time.Minute
)

// Measurer measures what the last assignment asks for.
type Measurer struct {
	cfg     Config
	line    *timeline
	matcher *matcher
	tracer  tracer
	modes   modes
	senders map[route]*hired

	flows     map[key]*assigned
	retired   []*assigned // told to stop; their windows are not all made
	unsaved   []wire.Window
	putNext   time.Duration // monotonic; no Put before
	failing   bool          // the last Put failed
	sayNext   time.Duration // monotonic; no complaint of it before
	collected time.Duration // monotonic, when windows were looked for last
	made      atomic.Int64
	lost      atomic.Int64
	held      atomic.Int64 // len(unsaved), for others

	saidKernel, saidHurried bool // for the log

	// Set by tests.
	newPinger func(Spec) func() pinger
	openUDP   func(route) (socketUDP, error)
	clock     Clock
	// clockState tells the state of the wall clock.
	clockState func() wire.Clock
}

// assigned is a flow or session that runs.
type assigned struct {
	name  string
	plan  planned
	book  *window.Book
	check func(window.Moment)
	stop  func(cause error)
	done  chan struct{} // closed when it has stopped

	key    []byte                // STAMP: for authenticated packets
	local  func() netip.AddrPort // STAMP: where packets are sent from; invalid where nothing can be
	traced time.Duration         // monotonic, when the path was traced last; 0: never

	saidUser bool // for the log
}

// New makes a Measurer; Run starts it.
func New(cfg Config) *Measurer {
	m := &Measurer{cfg: cfg, flows: map[key]*assigned{}, senders: map[route]*hired{}, clock: cfg.Clock}
	if m.clock == nil {
		m.clock = SystemClock()
	}
	m.modes.detect, m.modes.log = DetectMode, cfg.Log
	m.modes.found, m.modes.said = map[bool]Mode{}, map[bool]bool{}
	m.newPinger = m.probingPingers
	m.openUDP, m.clockState = openUDP, ClockState
	m.tracer.run, m.tracer.log = trace.Run, cfg.Log
	return m
}

// Lost is the number of windows that no spool took and for which there was no
// more room in memory.
func (m *Measurer) Lost() int64 { return m.lost.Load() }

// Held is the number of windows that wait in memory for the spool.
func (m *Measurer) Held() int64 { return m.held.Load() }

// Made is the number of windows made and put so far.
func (m *Measurer) Made() int64 { return m.made.Load() }

// Run measures what each assignment asks for, which must have passed Check,
// until the context ends. It then waits for the replies on their way, at most
// wire.Timeout, and puts the last windows.
func (m *Measurer) Run(ctx context.Context, assignments <-chan *wire.Assignment) error {
	m.line = newTimeline(m.clock, m.cfg.Session, m.cfg.Raise, m.cfg.Log)
	m.matcher = newMatcher(m.line, m.cfg.Tap)
	tracing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	m.tracer.ctx = tracing
	collect := time.NewTicker(collectEvery)
	defer collect.Stop()
	for {
		select {
		case <-ctx.Done():
			return m.finish()
		case a := <-assignments:
			if err := m.apply(a); err != nil {
				m.cfg.Log.Error("the assignment was not taken; the one before stays", "error", err)
			}
		case <-collect.C:
			m.collect((*window.Book).Take)
		}
	}
}

// apply starts, relabels and stops flows.
func (m *Measurer) apply(a *wire.Assignment) error {
	plans, unknown, err := plan(a, window.Labels{Origin: m.cfg.Origin, ProbeVersion: m.cfg.Version})
	if err != nil {
		return err
	}
	if unknown > 0 {
		m.cfg.Log.Warn("the assignment has tests by methods that this version does not measure", "targets", unknown)
	}
	now := m.line.now()
	for k, have := range m.flows {
		want, ok := plans[k]
		if ok && want.same(have.plan) {
			if want.labels != have.plan.labels {
				have.book.Relabel(want.labels, now)
				have.plan = want
			}
			continue
		}
		have.stop(errAssignment)
		m.retired = append(m.retired, have)
		delete(m.flows, k)
	}
	for k, want := range plans {
		if m.flows[k] == nil {
			m.flows[k] = m.start(k, want)
		}
	}
	m.cfg.Log.Info("measuring", "links", len(m.flows), "mesh", a.MeshSHA256)
	return nil
}

func (m *Measurer) start(k key, p planned) *assigned {
	seed := seedOf(m.cfg.Seed, p.labels.Src, k)
	if p.labels.Method == MethodSTAMP {
		return m.startSession(p, seed)
	}
	f := newFlow(m.line, m.matcher, p, seed, wire.Timeout, m.cfg.Log)
	f.newPinger = m.newPinger(p.spec)
	f.hold = canHold(m.modes.of(p.spec.Address.Is6()))
	ctx, stop := context.WithCancelCause(context.Background())
	a := &assigned{name: f.name, plan: p, book: f.book, check: f.check, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		f.run(ctx)
	}()
	return a
}

func newFlow(line *timeline, matcher *matcher, p planned, seed uint64, timeout time.Duration, log *slog.Logger) *flow {
	f := &flow{
		name: p.labels.String(),
		spec: p.spec, matcher: matcher, grid: p.grid, line: line, timeout: timeout, seed: seed,
		observe: func(Event) {}, log: log, renewal: make(chan struct{}, 1),
	}
	f.end.Store(math.MaxInt64)
	f.book = newBook(line, p, f.due, timeout)
	return f
}

func newBook(line *timeline, p planned, due func(slot int64) int64, timeout time.Duration) *window.Book {
	return window.New(window.Config{
		Labels: p.labels, Grid: p.grid, Timeout: timeout, Grace: wire.Grace,
		Due: due, Session: line.sessionOf, Clock: ClockState,
	})
}

// canHold tells whether a pinger may be held. While it is, its socket is not
// read: a raw socket fills with everybody's replies then, but for Linux, where
// pro-bing lets the kernel drop those of others.
func canHold(mode Mode) bool { return mode != ModeRaw || rawIsFiltered }

// collect takes the windows that are ready from all flows and puts them.
func (m *Measurer) collect(take func(*window.Book, window.Moment) []wire.Window) {
	m.matcher.read()
	if n := m.matcher.missed(); n > 0 {
		m.cfg.Log.Warn("packets passed the kernel faster than they could be read: their RTTs are not known", "packets", n)
	}
	now := m.line.now()
	if now.Mono-m.collected > paused {
		// What waits in the sockets came in time, but windows are about to be made
		// without it.
		for _, h := range m.senders {
			h.catchUp()
		}
	}
	m.collected = now.Mono
	var made []wire.Window
	each := func(a *assigned) {
		a.check(now)
		a.book.Advance(now)
		m.tracer.look(a, now.Mono)
		made = append(made, take(a.book, now)...)
	}
	for _, a := range m.flows {
		each(a)
	}
	for _, a := range m.retired {
		each(a)
	}
	retired := len(m.retired)
	m.retired = slices.DeleteFunc(m.retired, func(a *assigned) bool {
		select {
		case <-a.done:
			return a.book.Empty()
		default:
			return false
		}
	})
	if len(m.retired) < retired {
		m.dismiss()
	}
	m.tellSource(made)
	m.tellClock(made)
	// Maps have no order; the spool keeps that in which windows come.
	slices.SortFunc(made, func(a, b wire.Window) int {
		return cmp.Or(cmp.Compare(a.StartMS, b.StartMS), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Test, b.Test))
	})
	m.put(made)
}

// tellSource logs once which timestamps the packets really have, and every link
// of which the kernel's were expected and did not come.
func (m *Measurer) tellSource(made []wire.Window) {
	for _, w := range made {
		if w.Received == 0 || w.Method == MethodICMP && m.cfg.Tap == nil {
			continue // nothing was timed, or everything as it was said at the start
		}
		if w.Timestamps == wire.TimestampsKernel && !m.saidKernel {
			m.saidKernel = true
			m.cfg.Log.Info("packets are timed in the kernel")
		}
		a := m.flows[key{w.Test, w.Dst}]
		if a != nil && w.Timestamps == wire.TimestampsUser && !a.saidUser {
			a.saidUser = true
			m.cfg.Log.Warn("the kernel's moments of these packets did not show: timed in user space, so the RTTs are upper bounds", "link", a.name)
		}
	}
}

// tellClock logs when the clock begins to run too fast or too slow, and when it
// has ended.
func (m *Measurer) tellClock(made []wire.Window) {
	for i := range made {
		clock := made[i].Clock
		if clock.Hurried() == m.saidHurried {
			continue
		}
		m.saidHurried = !m.saidHurried
		ppm := float64(clock.FrequencyPPB) / 1000
		if m.saidHurried {
			m.cfg.Log.Warn("the wall clock is made to run faster or slower by more than 100 ppm: RTTs are off by that share, and reports flag them; see what corrects it (chronyc tracking, ntpq -c rv)", "ppm", ppm)
		} else {
			m.cfg.Log.Info("the wall clock runs as it should again", "ppm", ppm)
		}
	}
}

func (m *Measurer) put(made []wire.Window) {
	defer func() { m.held.Store(int64(len(m.unsaved))) }()
	for _, w := range made {
		if err := w.Check(); err != nil {
			m.cfg.Log.Error("a window contradicts itself and is dropped; please report this", "key", w.Key.String(), "error", err)
			continue
		}
		m.unsaved = append(m.unsaved, w)
	}
	now := m.line.now().Mono
	if len(m.unsaved) == 0 || now < m.putNext {
		return
	}
	for len(m.unsaved) > 0 {
		some := m.unsaved[:min(putAtOnce, len(m.unsaved))]
		if err := m.cfg.Put(some); err != nil {
			m.putLater(now, err)
			return
		}
		// Said only now: whoever accounts for windows by these lines may rely on
		// each being on disk.
		m.made.Add(int64(len(some)))
		if m.cfg.Log.Enabled(context.Background(), slog.LevelDebug) {
			for i := range some {
				m.cfg.Log.Debug("window made", "key", some[i].Key.String(), "digest", some[i].Digest().String())
			}
		}
		m.unsaved = m.unsaved[len(some):]
	}
	m.unsaved = nil // with the memory behind it
	if m.failing {
		m.failing = false
		m.cfg.Log.Info("the spool takes windows again")
	}
}

// putLater keeps what the spool did not take.
func (m *Measurer) putLater(now time.Duration, err error) {
	m.putNext = now + putAgain
	if !m.failing || now >= m.sayNext {
		m.failing, m.sayNext = true, now+complainAgain
		m.cfg.Log.Error("the spool takes no windows: they are kept in memory and tried again; see to the disk of --spool", "windows", len(m.unsaved), "error", err)
	}
	// Only now: after a long sleep of the process many windows end at once.
	if over := len(m.unsaved) - maxUnsaved; over > 0 {
		m.cfg.Log.Error("too many windows wait in memory for the spool: the oldest are dropped", "windows", over)
		m.lose(m.unsaved[:over])
		m.unsaved = slices.Delete(m.unsaved, 0, over)
	}
}

// lose counts windows that are dropped, and names them for those who account for
// every window.
func (m *Measurer) lose(windows []wire.Window) {
	m.lost.Add(int64(len(windows)))
	if !m.cfg.Log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for i := range windows {
		m.cfg.Log.Debug("window lost", "key", windows[i].Key.String(), "digest", windows[i].Digest().String())
	}
}

// finish stops all flows at once and puts what they have.
func (m *Measurer) finish() error {
	all := slices.AppendSeq(slices.Clone(m.retired), maps.Values(m.flows))
	for _, a := range all {
		a.stop(nil)
	}
	for _, a := range all {
		<-a.done
	}
	m.flows, m.retired = nil, all
	m.putNext = 0
	m.collect((*window.Book).Flush)
	for range 3 {
		if len(m.unsaved) == 0 {
			return nil
		}
		time.Sleep(collectEvery)
		m.putNext = 0
		m.put(nil)
	}
	if len(m.unsaved) > 0 {
		m.lose(m.unsaved)
		return fmt.Errorf("stop: %d windows could not be spooled and are lost", len(m.unsaved))
	}
	return nil
}

func (m *Measurer) probingPingers(spec Spec) func() pinger {
	id := 1 + rand.IntN(math.MaxUint16-1)
	source := spec.Source
	return func() pinger {
		spec := spec
		if source.IsValid() {
			// Looked up each time: an address may come and go.
			spec.Source = SourceFor(source)
		}
		return &probingPinger{spec: spec, mode: m.modes.of(spec.Address.Is6()), id: id}
	}
}

// modes remembers which sockets the host allows, by address family.
type modes struct {
	detect func(ipv6 bool) (Mode, error)
	log    *slog.Logger

	mu    sync.Mutex // protects all following fields
	found map[bool]Mode
	said  map[bool]bool // that there is none
}

// of decides once for a family, by trying, and logs it. Where no socket may be
// opened it says raw: opening one will fail, be counted and be tried again, and
// so will this, for the host may allow it later.
func (m *modes) of(ipv6 bool) Mode {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mode, known := m.found[ipv6]; known {
		return mode
	}
	mode, err := m.detect(ipv6)
	if err != nil {
		if !m.said[ipv6] {
			m.said[ipv6] = true
			m.log.Error("no ICMP socket is allowed: every packet counts as a send error", "ipv6", ipv6, "error", err)
		}
		return ModeRaw
	}
	m.log.Info("ICMP sockets", "mode", mode, "ipv6", ipv6)
	m.found[ipv6] = mode
	return mode
}
