package admission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/collector/meshes"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// desk is a Desk that serves the mesh "now" and has archived "before".
func desk(t *testing.T) (*Desk, *fakestore.Store) {
	t.Helper()
	stored := &fakestore.Store{}
	log := slog.New(slog.DiscardHandler)
	for _, name := range []string{"before", "now"} {
		// Another collector served them: this one has nothing cached.
		if err := meshes.NewVersions(stored, fakestore.Now, log).Serve(t.Context(), fakestore.Mesh(name)); err != nil {
			t.Fatal(err)
		}
	}
	versions := meshes.NewVersions(stored, fakestore.Now, log)
	if err := versions.Serve(t.Context(), fakestore.Mesh("now")); err != nil {
		t.Fatal(err)
	}
	return &Desk{Store: stored, Meshes: versions, Now: fakestore.Now, FutureTolerance: time.Minute}, stored
}

func TestRefusals(t *testing.T) {
	now := fakestore.Mesh("now")
	start := fakestore.Window(now, 0).StartMS
	for _, c := range []struct {
		name    string
		change  func(*wire.Window)
		code    wire.Code
		message string
	}{
		{"good", func(*wire.Window) {}, "", ""},
		{"archived mesh", func(w *wire.Window) { w.MeshSHA256 = fakestore.Mesh("before").SHA256() }, "", ""},
		{"contradicts itself", func(w *wire.Window) { w.Lost = 2 }, wire.CodeInvalidWindow, "sent: 4 is not received 3 + lost 2"},
		{"of another site", func(w *wire.Window) { w.Src, w.Dst = "b1", "a1" }, wire.CodeForeignLink, "src: is b1, but the batch is of site a1"},
		{"mesh never served", func(w *wire.Window) { w.MeshSHA256 = strings.Repeat("ab", 32) }, wire.CodeUnknownMesh, "mesh_sha256: no collector on this store ever served " + strings.Repeat("ab", 32)},
		{"no such test", func(w *wire.Window) { w.Test = "fast" }, wire.CodeUnknownTest, "test: mesh " + now.SHA256()[:12] + " has no test fast"},
		{"no such site", func(w *wire.Window) { w.Dst = "c1" }, wire.CodeForeignLink, "mesh " + now.SHA256()[:12] + " has no site c1"},
		{"site is gone", func(w *wire.Window) { w.Dst = "old1" }, wire.CodeForeignLink, "site old1 does not exist at that time in mesh " + now.SHA256()[:12]},
		{"site is to come", func(w *wire.Window) { w.Dst = "next1" }, wire.CodeForeignLink, "site next1 does not exist at that time in mesh " + now.SHA256()[:12]},
		{"not measured: role", func(w *wire.Window) { w.Dst = "p1" }, wire.CodeForeignLink, "test icmp of mesh " + now.SHA256()[:12] + " does not measure from a1 to p1"},
		{"not measured: carrier", func(w *wire.Window) { w.Dst = "y1" }, wire.CodeForeignLink, "test icmp of mesh " + now.SHA256()[:12] + " does not measure from a1 to y1"},
		{"not measured: pattern", func(w *wire.Window) { w.Dst, w.Test = "r1", "slow" }, wire.CodeForeignLink, "test slow of mesh " + now.SHA256()[:12] + " does not measure from a1 to r1"},
		{"source cluster", func(w *wire.Window) { w.SrcCluster = "cb" }, wire.CodeInvalidWindow, "src_cluster: is cb; mesh " + now.SHA256()[:12] + " says ca"},
		{"destination cluster", func(w *wire.Window) { w.DstCluster = "ca" }, wire.CodeInvalidWindow, "dst_cluster: is ca; mesh " + now.SHA256()[:12] + " says cb"},
		{"carrier", func(w *wire.Window) { w.Carrier = "y" }, wire.CodeInvalidWindow, "carrier: is y; mesh " + now.SHA256()[:12] + " says x"},
		{"plane", func(w *wire.Window) { w.Plane = "private-ip" }, wire.CodeInvalidWindow, "plane: is private-ip; mesh " + now.SHA256()[:12] + " says optical"},
		{"method", func(w *wire.Window) { w.Method = "stamp" }, wire.CodeInvalidWindow, "method: is stamp; mesh " + now.SHA256()[:12] + " says icmp"},
		{"crosses the boundary", func(w *wire.Window) { w.StartMS++; w.EndMS++; w.EndReason = wire.EndStop }, wire.CodeInvalidWindow,
			fmt.Sprintf("end_ms: %d is beyond %d, where the window of 60 s ends", start+60_001, start+60_000)},
		{"full but short", func(w *wire.Window) { w.EndMS-- }, wire.CodeInvalidWindow,
			fmt.Sprintf("end_ms: %d is not %d, where a full window of 60 s ends", start+59_999, start+60_000)},
		{"begins late", func(w *wire.Window) { w.StartMS += 500 }, "", ""},
		{"ends early", func(w *wire.Window) { w.EndMS -= 500; w.EndReason = wire.EndStop }, "", ""},
		{"too many packets", func(w *wire.Window) { w.Scheduled = 61 }, wire.CodeInvalidWindow, "scheduled: 61 is above 60, what test icmp asks for in that time"},
		{"too many for a part", func(w *wire.Window) { w.StartMS += 55_500 }, wire.CodeInvalidWindow, "scheduled: 60 is above 5, what test icmp asks for in that time"},
		{"ends a minute from now", func(w *wire.Window) { w.StartMS, w.EndMS = start+60_000, start+120_000 }, "", ""},
		{"ends in the future", func(w *wire.Window) { w.StartMS, w.EndMS = start+120_000, start+180_000 }, wire.CodeFuture,
			fmt.Sprintf("end_ms: %d is 29750 ms later than the collector's clock allows; synchronise the clocks", start+180_000)},
		{"ends just allowed", func(w *wire.Window) {
			w.StartMS, w.EndMS, w.EndReason, w.Scheduled = start+120_000, fakestore.Now().Add(time.Minute).UnixMilli(), wire.EndStop, 4
		}, "", ""},
		{"ends just not allowed", func(w *wire.Window) {
			w.StartMS, w.EndMS, w.EndReason, w.Scheduled = start+120_000, fakestore.Now().Add(time.Minute).UnixMilli()+1, wire.EndStop, 4
		}, wire.CodeFuture, fmt.Sprintf("end_ms: %d is 1 ms later than the collector's clock allows; synchronise the clocks", fakestore.Now().Add(time.Minute).UnixMilli()+1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, stored := desk(t)
			w := fakestore.Window(now, 0)
			c.change(&w)
			good := fakestore.Window(now, 1)
			batch := fakestore.Batch(w, good)
			ack, err := d.Admit(t.Context(), "a1", batch)
			if err != nil {
				t.Fatal(err)
			}
			want := &wire.Ack{Schema: wire.SchemaAck, Batch: batch.Digest().String(), Stored: 2, MeshSHA256: now.SHA256()}
			keys := []wire.Key{w.Key, good.Key}
			if c.code != "" {
				want.Stored, keys = 1, keys[1:]
				want.Refused = []wire.Refusal{{Index: 0, Key: w.Key, Code: c.code, Message: c.message}}
			}
			if diff := cmp.Diff(want, ack); diff != "" {
				t.Errorf("ack (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(keys, stored.Keys()); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaultsOfABatch(t *testing.T) {
	now := fakestore.Mesh("now")
	for _, c := range []struct {
		name, site string
		prepare    func(*Desk, *fakestore.Store, *wire.Batch)
		want       string
	}{
		{"another site's batch", "b1", nil, "bad_request: site: the batch is of a1 and was sent as b1; a probe sends its own windows only"},
		{"unknown site", "z9", func(_ *Desk, _ *fakestore.Store, b *wire.Batch) { b.Site = "z9" },
			"unknown_site: the mesh has no site z9; check the probe's site, or add it to the mesh"},
		{"no mesh yet", "a1", func(d *Desk, s *fakestore.Store, _ *wire.Batch) {
			d.Meshes = meshes.NewVersions(s, fakestore.Now, slog.New(slog.DiscardHandler))
		}, "store_unavailable: no mesh is served yet, because the store has not archived it; send the batch again later"},
		{"store away", "a1", func(_ *Desk, s *fakestore.Store, _ *wire.Batch) { s.Away = true },
			"store_unavailable: the store did not confirm; nothing is acknowledged, send the same batch again later: the store is away"},
		{"archive away", "a1", func(_ *Desk, s *fakestore.Store, b *wire.Batch) {
			s.Away = true
			b.Windows[0].MeshSHA256 = fakestore.Mesh("before").SHA256()
		}, "store_unavailable: the store did not confirm; nothing is acknowledged, send the same batch again later: look up archived meshes: the store is away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, stored := desk(t)
			batch := fakestore.Batch(fakestore.Window(now, 0))
			if c.prepare != nil {
				c.prepare(d, stored, batch)
			}
			ack, err := d.Admit(t.Context(), c.site, batch)
			var fault *Fault
			if ack != nil || !errors.As(err, &fault) {
				t.Fatalf("got %v, %v; want a fault", ack, err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got := stored.Keys(); got != nil {
				t.Errorf("stored %v", got)
			}
		})
	}
}

// TestPastTolerance: a window that ended too long ago is refused, where there
// is such a limit.
func TestPastTolerance(t *testing.T) {
	now := fakestore.Mesh("now")
	w := fakestore.Window(now, 0)
	age := fakestore.Now().Sub(time.UnixMilli(w.EndMS))
	for _, c := range []struct {
		tolerance time.Duration
		refused   string
	}{
		{0, ""}, {age, ""},
		{age - time.Millisecond, fmt.Sprintf("end_ms: %d is 1 ms earlier than the collector's clock allows; see to both clocks, and to --past-tolerance of the collector", w.EndMS)},
	} {
		d, _ := desk(t)
		d.PastTolerance = c.tolerance
		ack, err := d.Admit(t.Context(), "a1", fakestore.Batch(w))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range ack.Refused {
			got += r.Message
		}
		if got != c.refused {
			t.Errorf("%s: refused with %q, want %q", c.tolerance, got, c.refused)
		}
	}
}

// TestAnswerIsBounded: a refusal repeats the key, which nothing has checked yet.
func TestAnswerIsBounded(t *testing.T) {
	d, _ := desk(t)
	w := fakestore.Window(fakestore.Mesh("now"), 0)
	w.Src, w.Dst, w.Test = strings.Repeat("<", 1<<20), strings.Repeat("é", 1<<20), strings.Repeat("x", 65)
	ack, err := d.Admit(t.Context(), "a1", fakestore.Batch(w))
	if err != nil || len(ack.Refused) != 1 {
		t.Fatalf("%+v, %v", ack, err)
	}
	want := w.Key
	want.Src, want.Dst, want.Test = strings.Repeat("<", 64)+"…", strings.Repeat("é", 32)+"…", strings.Repeat("x", 64)+"…"
	if diff := cmp.Diff(want, ack.Refused[0].Key); diff != "" {
		t.Errorf("key (-want +got):\n%s", diff)
	}
}

// TestOneLookupABatch holds the archive's load against a batch that names many
// versions.
func TestOneLookupABatch(t *testing.T) {
	d, stored := desk(t)
	before := stored.Lookups()
	var windows []wire.Window
	for i := range 50 {
		w := fakestore.Window(fakestore.Mesh("now"), i)
		w.MeshSHA256 = fmt.Sprintf("%064x", i)
		windows = append(windows, w)
	}
	ack, err := d.Admit(t.Context(), "a1", fakestore.Batch(windows...))
	if err != nil || len(ack.Refused) != 50 || ack.Stored != 0 {
		t.Fatalf("%+v, %v", ack, err)
	}
	if got := stored.Lookups() - before; got != 1 {
		t.Errorf("%d lookups, want 1", got)
	}
}

// TestStoreRefuses: whichever windows the store will never take, they are
// refused, all others are stored exactly once, and no two pieces share a
// moment, because the journal would take them for one.
func TestStoreRefuses(t *testing.T) {
	d, _ := desk(t)
	now := fakestore.Mesh("now")
	rapid.Check(t, func(t *rapid.T) {
		stored := &fakestore.Store{}
		d := &Desk{Store: stored, Meshes: d.Meshes, Now: d.Now, FutureTolerance: d.FutureTolerance}
		n := rapid.IntRange(1, 60).Draw(t, "windows")
		bad := rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 10).Draw(t, "bad")
		var windows []wire.Window
		var want []wire.Key
		var refused []wire.Refusal
		for i := range n {
			w := fakestore.Window(now, i)
			windows = append(windows, w)
			if slices.Contains(bad, i) {
				refused = append(refused, wire.Refusal{Index: i, Key: w.Key, Code: wire.CodeStoreRefused, Message: "fake: a field is too long: the store will never take this"})
			} else {
				want = append(want, w.Key)
			}
		}
		stored.Never = func(w *wire.Window) bool {
			return slices.ContainsFunc(refused, func(r wire.Refusal) bool { return r.Key == w.Key })
		}
		ack, err := d.Admit(t.Context(), "a1", fakestore.Batch(windows...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(refused, ack.Refused); diff != "" {
			t.Fatalf("refused (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, stored.Keys()); diff != "" || ack.Stored != len(want) {
			t.Fatalf("stored %d (-want +got):\n%s", ack.Stored, diff)
		}
		admissions := stored.Admissions()
		for i, a := range admissions {
			if i > 0 && !a.At.After(admissions[i-1].At) || a.At.Truncate(time.Millisecond) != a.At {
				t.Fatalf("piece %d at %s is not a millisecond after the one before", i, a.At)
			}
			if a.Site != "a1" || a.Batch != ack.Batch || a.MeshSHA256 != now.SHA256() {
				t.Fatalf("piece %d is journalled as %s %s %s", i, a.Site, a.Batch, a.MeshSHA256)
			}
		}
	})
}

// slow is a store that takes its time.
type slow struct{ Store }

func (s slow) Put(ctx context.Context, a store.Admission) error {
	select {
	case <-time.After(100 * time.Millisecond):
		return s.Store.Put(ctx, a)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestTooManyRefusalsForTheTime: a store that refuses everything asks for two
// calls a window. Where these take longer than there is, the sender is asked
// for fewer windows, because the same batch would never pass; a single window
// and a store that is only slow are never blamed.
func TestTooManyRefusalsForTheTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		windows int
		never   bool
		want    wire.Code
	}{
		{"too many", 60, true, wire.CodeTooLarge},
		{"few enough", 30, true, ""},
		{"slow store", 60, false, wire.CodeStoreUnavailable},
		{"slow store, one window", 1, true, wire.CodeStoreUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, stored := desk(t)
				d.Store = slow{stored}
				stored.Never = func(*wire.Window) bool { return c.never }
				var windows []wire.Window
				for i := range c.windows {
					windows = append(windows, fakestore.Window(fakestore.Mesh("now"), i))
				}
				patience := 10 * time.Second
				if c.want == wire.CodeStoreUnavailable {
					patience = 50 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				ack, err := d.Admit(ctx, "a1", fakestore.Batch(windows...))
				if c.want == "" {
					if err != nil || len(ack.Refused) != c.windows {
						t.Fatalf("%+v, %v", ack, err)
					}
					return
				}
				var fault *Fault
				if !errors.As(err, &fault) || fault.Code != c.want {
					t.Fatalf("%v, want %s", err, c.want)
				}
			})
		})
	}
}

// TestRetryAfterHalf: the store goes away in the middle of the pieces; nothing
// is acknowledged, and sending the batch again completes it.
func TestRetryAfterHalf(t *testing.T) {
	d, stored := desk(t)
	now := fakestore.Mesh("now")
	windows := []wire.Window{fakestore.Window(now, 0), fakestore.Window(now, 1), fakestore.Window(now, 2), fakestore.Window(now, 3)}
	bad := windows[0].Key
	calls := 0
	stored.Never = func(w *wire.Window) bool {
		// The whole batch and its first half fail for the first window; then
		// the store goes away.
		if w.Key == bad {
			calls++
			stored.Away = calls == 3
		}
		return w.Key == bad
	}
	_, err := d.Admit(t.Context(), "a1", fakestore.Batch(windows...))
	var fault *Fault
	if !errors.As(err, &fault) || fault.Code != wire.CodeStoreUnavailable || !errors.Is(err, fakestore.ErrAway) {
		t.Fatalf("got %v, want store_unavailable", err)
	}
	stored.Away = false
	calls = 10
	ack, err := d.Admit(t.Context(), "a1", fakestore.Batch(windows...))
	if err != nil || ack.Stored != 3 || len(ack.Refused) != 1 {
		t.Fatalf("%+v, %v", ack, err)
	}
}

// TestSlots: a window never may hold more packets than there are intervals
// that it touches, and a probe that counts whole intervals is never refused.
func TestSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		test := &mesh.Test{WindowS: 60, IntervalMS: rapid.SampledFrom([]int{10, 100, 250, 1000, 60_000}).Draw(t, "interval")}
		from := rapid.Int64Range(0, 59_999).Draw(t, "from")
		to := rapid.Int64Range(from+1, 60_000).Draw(t, "to")
		const base = 1_748_779_200_000
		touched := uint32(0)
		for at := int64(0); at < 60_000; at += int64(test.IntervalMS) {
			if at < to && at+int64(test.IntervalMS) > from {
				touched++
			}
		}
		w := &wire.Window{Key: wire.Key{StartMS: base + from}, EndMS: base + to, EndReason: wire.EndStop}
		w.Scheduled = touched
		if no := times(test, w); no != nil {
			t.Fatalf("%d packets from %d to %d: %v", touched, from, to, no)
		}
		if w.Scheduled++; times(test, w) == nil {
			t.Fatalf("%d packets from %d to %d are taken", touched+1, from, to)
		}
	})
}
