package trace

import (
	"container/heap"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// network stands in for routers: it says what is answered to a TTL the first or
// the second time it is asked, and when.
type network func(ttl, attempt int) []reaction

type reaction struct {
	kind  kind
	from  netip.Addr
	why   string
	after time.Duration
}

// number is the address of router i.
func number(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }

// line is a network of routers without a fault; the last is the destination.
func line(hops int) network {
	return func(ttl, _ int) []reaction {
		if ttl >= hops {
			return []reaction{{arrived, number(hops), "", time.Duration(hops) * time.Millisecond}}
		}
		return []reaction{{exceeded, number(ttl), "", time.Duration(ttl) * time.Millisecond}}
	}
}

// silent makes some TTLs silent, as often as is said.
func (n network) silent(attempts int, ttls ...int) network {
	return func(ttl, attempt int) []reaction {
		if slices.Contains(ttls, ttl) && attempt <= attempts {
			return nil
		}
		return n(ttl, attempt)
	}
}

// addresses are those of the hops, "" for a silent one.
func addresses(hops []wire.Hop) []string {
	seen := make([]string, 0, len(hops))
	for i, h := range hops {
		if int(h.TTL) != i+1 {
			return []string{fmt.Sprintf("hop %d has TTL %d", i+1, h.TTL)}
		}
		seen = append(seen, h.Address)
	}
	return seen
}

// coming is an answer on its way.
type coming struct {
	at time.Duration
	answer
}

type onTheirWay []coming

func (o onTheirWay) Len() int           { return len(o) }
func (o onTheirWay) Less(i, j int) bool { return o[i].at < o[j].at }
func (o onTheirWay) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }
func (o *onTheirWay) Push(x any)        { *o = append(*o, x.(coming)) }
func (o *onTheirWay) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}

// fataler is a *testing.T or *rapid.T.
type fataler interface{ Fatalf(string, ...any) }

// walk carries a plan out in a network whose time passes at once, and holds it
// to its laws.
func walk(t fataler, n network, options Options) (Result, time.Duration) {
	if err := options.fill(); err != nil {
		t.Fatalf("%v", err)
	}
	p := newPlan(options)
	var way onTheirWay
	var sent []time.Duration
	now := time.Duration(0)
	for turns := 0; !p.done(now); turns++ {
		if turns > 10_000 {
			t.Fatalf("it does not end: %+v", p)
		}
		if len(way) > 0 && way[0].at <= now {
			c := heap.Pop(&way).(coming)
			c.rtt = c.at - p.sentAt[c.n]
			p.answered(c.answer)
			continue
		}
		if probe, due := p.next(now); due {
			if len(sent) > 0 && now-sent[len(sent)-1] < options.Pause {
				t.Fatalf("two packets within %v", now-sent[len(sent)-1])
			}
			if p.onTheWay(now) > inFlight {
				t.Fatalf("%d packets are on their way", p.onTheWay(now))
			}
			sent = append(sent, now)
			for _, r := range n(ttlOf(probe), probe/MaxHops+1) {
				heap.Push(&way, coming{now + r.after, answer{n: probe, kind: r.kind, from: r.from, why: r.why}})
			}
			continue
		}
		idle := p.idle(now)
		if idle <= 0 {
			t.Fatalf("at %v there is nothing to do and nothing to wait for", now)
		}
		now += idle
		if len(way) > 0 {
			now = min(now, max(way[0].at, now-idle))
		}
	}
	r := Result{Sent: len(sent)}
	p.fill(&r)
	if now > options.Limit {
		t.Fatalf("it took %v", now)
	}
	return r, now
}

func TestPlan(t *testing.T) {
	names := func(hops ...int) []string {
		var all []string
		for _, h := range hops {
			if h == 0 {
				all = append(all, "")
			} else {
				all = append(all, number(h).String())
			}
		}
		return all
	}
	refused := func(at int, n network) network {
		return func(ttl, attempt int) []reaction {
			if ttl >= at {
				return []reaction{{unreachable, number(at), "prohibited", time.Millisecond}}
			}
			return n(ttl, attempt)
		}
	}
	for _, tt := range []struct {
		name string
		n    network
		want Result
		hops []string
		took time.Duration // at most
	}{
		{"neighbour", line(1), Result{Reached: true, Sent: 1}, names(1), time.Second},
		{"five hops", line(5), Result{Reached: true, Sent: 5}, names(1, 2, 3, 4, 5), time.Second},
		{"one silent", line(5).silent(2, 3), Result{Reached: true, Sent: 6}, names(1, 2, 0, 4, 5), 2100 * time.Millisecond},
		{"rate limited", line(5).silent(1, 2, 3), Result{Reached: true, Sent: 7}, names(1, 2, 3, 4, 5), 1100 * time.Millisecond},
		{"the destination was lost once", line(5).silent(1, 5), Result{Reached: true, Sent: 7}, names(1, 2, 3, 4, 5), 1100 * time.Millisecond},
		{"nine silent", line(10).silent(2, 1, 2, 3, 4, 5, 6, 7, 8, 9), Result{Reached: true, Sent: 19}, names(0, 0, 0, 0, 0, 0, 0, 0, 0, 10), 2200 * time.Millisecond},
		{"nobody", func(int, int) []reaction { return nil }, Result{Beyond: 10, Sent: 20}, names(), 2200 * time.Millisecond},
		{"silence behind three", line(4).silent(2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), Result{Beyond: 10, Sent: 23}, names(1, 2, 3), 2300 * time.Millisecond},
		{"far away", func(ttl, attempt int) []reaction {
			r := line(20)(ttl, attempt)
			r[0].after += 300 * time.Millisecond
			return r
		}, Result{Reached: true}, names(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20), 1200 * time.Millisecond},
		{"out of order", func(ttl, _ int) []reaction {
			r := line(6)(ttl, 1)
			r[0].after = time.Duration(20-ttl) * 30 * time.Millisecond
			return r
		}, Result{Reached: true, Sent: 10}, names(1, 2, 3, 4, 5, 6), time.Second},
		{"twice", func(ttl, attempt int) []reaction {
			r := line(4)(ttl, attempt)
			return []reaction{r[0], {r[0].kind, number(99), "", r[0].after + time.Millisecond}}
		}, Result{Reached: true, Duplicates: 3, Sent: 4}, names(1, 2, 3, 4), time.Second},
		{"late", func(ttl, attempt int) []reaction {
			r := line(4)(ttl, attempt)
			if ttl == 2 && attempt == 1 {
				r[0].after = 1500 * time.Millisecond
			}
			if ttl == 2 && attempt == 2 {
				return nil
			}
			return r
		}, Result{Reached: true, Sent: 5}, names(1, 2, 3, 4), 1600 * time.Millisecond},
		{"refused", refused(3, line(9)), Result{Unreachable: "prohibited", Sent: 3}, names(1, 2, 3), time.Second},
		{"nobody listens", func(ttl, _ int) []reaction {
			r := line(3)(ttl, 1)
			if r[0].kind == arrived {
				r[0].why = "port unreachable"
			}
			return r
		}, Result{Reached: true, Unreachable: "port unreachable", Sent: 3}, names(1, 2, 3), time.Second},
		{"loop", func(ttl, _ int) []reaction {
			return []reaction{{exceeded, number(min(ttl, 2+ttl%2)), "", time.Millisecond}}
		}, Result{Loop: true, Sent: 6}, names(1, 2, 3, 2, 3, 2), time.Second},
		{"a router that forwards what it should not", func(ttl, _ int) []reaction {
			r := line(6)(ttl, 1)
			if ttl == 3 {
				r[0].from = number(4)
			}
			return r
		}, Result{Reached: true, Sent: 6}, names(1, 2, 4, 4, 5, 6), time.Second},
		{"64 hops", line(64), Result{Reached: true, Sent: 64}, nil, time.Second},
		{"65 hops", line(65), Result{Sent: 64}, nil, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, took := walk(t, tt.n, Options{})
			if took > tt.took {
				t.Errorf("it took %v, at most %v are needed", took, tt.took)
			}
			if diff := cmp.Diff(tt.hops, addresses(r.Hops)); tt.hops != nil && len(tt.hops)+len(r.Hops) > 0 && diff != "" {
				t.Errorf("hops (-want +got)\n%s", diff)
			}
			r.Hops = nil
			if tt.want.Sent == 0 {
				r.Sent = 0
			}
			if diff := cmp.Diff(tt.want, r, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestPlanFindsWhatCanBeFound: in any network without long silence, every hop
// that answers either attempt in time is found, and no other.
func TestPlanFindsWhatCanBeFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hops := rapid.IntRange(1, 30).Draw(t, "hops")
		type router struct{ first, second, delay int }
		routers := make([]router, hops+1)
		silent := 0
		for i := 1; i <= hops; i++ {
			routers[i] = router{rapid.IntRange(0, 4).Draw(t, "first"), rapid.IntRange(0, 1).Draw(t, "second"), rapid.IntRange(1, 900).Draw(t, "ms")}
			if routers[i].first == 0 {
				if silent++; silent > 4 || i == hops {
					routers[i].first = 1
				}
			}
		}
		n := func(ttl, attempt int) []reaction {
			at := routers[min(ttl, hops)]
			if attempt == 1 && at.first == 0 || attempt == 2 && at.second == 0 {
				return nil
			}
			r := line(hops)(ttl, attempt)
			r[0].after = time.Duration(at.delay) * time.Millisecond
			return r
		}
		r, _ := walk(t, n, Options{Limit: time.Minute})
		if !r.Reached || len(r.Hops) != hops {
			t.Fatalf("%+v", r)
		}
		for i, h := range r.Hops {
			at := routers[i+1]
			want := number(i + 1).String()
			if at.first == 0 && at.second == 0 {
				want = ""
			}
			if h.Address != want {
				t.Fatalf("hop %d is %q, want %q", i+1, h.Address, want)
			}
			if want != "" && h.RTTUS != uint32(at.delay)*1000 {
				t.Fatalf("hop %d has %d µs, want %d ms", i+1, h.RTTUS, at.delay)
			}
		}
	})
}
