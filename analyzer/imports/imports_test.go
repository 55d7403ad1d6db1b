package imports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func day() time.Time { return time.Date(2025, 6, 3, 0, 0, 0, 0, time.UTC) }

func options(m *mesh.Mesh) Options {
	return Options{Mesh: m, Test: m.Test("icmp"), Now: day().Add(48 * time.Hour)}
}

// row is of packets from a1 to b1, seconds after the day began.
func row(m *mesh.Mesh, seconds int, rtts ...uint32) Row {
	return Row{
		Src: m.Site("a1"), Dst: m.Site("b1"), AtMS: day().UnixMilli() + int64(seconds)*1000,
		Session: 5, Source: "elsewhere", RTTUS: rtts,
	}
}

// file hands over rows, the first on line 1.
func file(name string, rows ...Row) File {
	return File{name, func(context.Context) iter.Seq2[Found, error] {
		return func(yield func(Found, error) bool) {
			for i, r := range rows {
				if !yield(Found{Line: i + 1, Row: r}, nil) {
					return
				}
			}
		}
	}}
}

func sqliteStore(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.sqlite"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do imports files.
func do(t testing.TB, s Store, o Options, files ...File) (Report, error) {
	t.Helper()
	p, err := Prepare(t.Context(), files, o)
	if p == nil {
		return Report{}, err
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err == nil {
		err = p.Store(t.Context(), s)
	}
	return p.Report, err
}

func stored(t testing.TB, s Store, src, dst string) []store.Record {
	t.Helper()
	var records []store.Record
	for r, err := range s.Windows(t.Context(), store.Query{Src: src, Dst: dst, Test: "icmp", FromMS: 0, ToMS: 1 << 43}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

func journal(t testing.TB, s Store) []store.Entry {
	t.Helper()
	var entries []store.Entry
	for e, err := range s.Journal(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

func us(v uint32) *uint32 { return &v }

func TestWindows(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	summary := row(m, 1801)
	summary.Alone, summary.Once, summary.Session = true, true, 6
	summary.Summary, summary.Counts = &Summary{Min: us(20_000), Mean: us(20_500), Max: us(22_000)}, Counts{Received: 2, Lost: 1}
	nothing := row(m, 1802)
	nothing.Alone, nothing.Once, nothing.Session, nothing.Counts = true, true, 6, Counts{Lost: 3}
	refused := row(m, 900, 19_000)
	refused.Counts = Counts{Lost: 2, Late: 1, Duplicate: 4, SendError: 3}
	s := sqliteStore(t)
	got, err := do(t, s, options(m), file("f", row(m, 899, 21_000, 20_000), summary, refused, nothing, row(m, 0, 20_500)))
	if err != nil {
		t.Fatal(err)
	}
	if got.Rows != 5 || got.Windows != 4 || got.Stored != 4 || got.Links != 1 {
		t.Errorf("%+v", got)
	}
	window := func(session uint64, start, end int, c wire.Counts, rtts ...uint32) wire.Window {
		return wire.Window{
			Key:        wire.Key{Src: "a1", Dst: "b1", Test: "icmp", Session: session, StartMS: day().UnixMilli() + int64(start)*1000},
			SrcCluster: "a", DstCluster: "b", Carrier: "one", Plane: "optical", Method: "icmp",
			EndMS: day().UnixMilli() + int64(end)*1000, EndReason: wire.EndFull, Counts: c,
			RTTs: wire.AppendRTTs(nil, rtts), Stats: wire.StatsOf(rtts), Timestamps: wire.TimestampsUser,
			Clock: wire.Clock{State: wire.ClockUnknown}, Origin: wire.OriginImported, MeshSHA256: m.SHA256(), ProbeVersion: "elsewhere",
		}
	}
	mean := 20_500.0
	summed := window(6, 1801, 2700, wire.Counts{Scheduled: 3, Sent: 3, Received: 2, Lost: 1})
	summed.Summary = &wire.Summary{MinUS: us(20_000), MeanUS: &mean, MaxUS: us(22_000), Source: "elsewhere"}
	want := []wire.Window{
		window(5, 0, 900, wire.Counts{Scheduled: 900, Sent: 3, Received: 3}, 20_000, 20_500, 21_000),
		window(5, 900, 1800, wire.Counts{Scheduled: 900, Sent: 3, Received: 1, Lost: 2, Late: 1, Duplicate: 4, SendError: 3}, 19_000),
		summed,
		window(6, 1802, 2700, wire.Counts{Scheduled: 3, Sent: 3, Lost: 3}),
	}
	var windows []wire.Window
	var digests []wire.Digest
	for _, r := range stored(t, s, "a1", "b1") {
		windows = append(windows, r.Window)
		digests = append(digests, r.Window.Digest())
	}
	if diff := cmp.Diff(want, windows); diff != "" {
		t.Errorf("windows (-want +got):\n%s", diff)
	}
	entries := journal(t, s)
	if len(entries) != 1 {
		t.Fatalf("%d entries in the journal", len(entries))
	}
	e := entries[0]
	batch := wire.Batch{Schema: wire.SchemaBatch, Site: "a1", Windows: windows}
	slices.SortFunc(e.Statement, func(a, b wire.Digest) int { return bytes.Compare(a[:], b[:]) })
	slices.SortFunc(digests, func(a, b wire.Digest) int { return bytes.Compare(a[:], b[:]) })
	if e.Site != "a1" || e.Windows != 4 || e.Signature != nil || e.MeshSHA256 != m.SHA256() || !slices.Equal(e.Statement, digests) {
		t.Errorf("entry %+v", e)
	}
	if e.Batch != batch.Digest().String() {
		t.Errorf("batch %s is not made of the windows in the order of sessions and starts", e.Batch)
	}
	versions, err := s.Meshes(t.Context())
	if err != nil || len(versions) != 1 || versions[0].SHA256 != m.SHA256() {
		t.Errorf("archived meshes: %v, %v", versions, err)
	}
}

// TestTwice: the same rows again change nothing, in whatever order and by
// whichever version of the mesh they come.
func TestTwice(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s := sqliteStore(t)
	rows := []Row{row(m, 0, 20_000), row(m, 60, 20_100), row(m, 1000, 20_200), row(m, 901)}
	rows[3].Counts.Lost = 1
	if r, err := do(t, s, options(m), file("f", rows...)); err != nil || r.Stored != 2 || r.Known != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	before, entries := stored(t, s, "a1", "b1"), len(journal(t, s))
	later := options(m)
	later.Now = later.Now.Add(time.Hour)
	other := scenario.Mesh(t, "Asia/Shanghai", append(scenario.Sites(), "a2 a one optical both"), nil)
	turned := options(other)
	var others []Row
	for _, r := range slices.Backward(rows) {
		r.Src, r.Dst = other.Site("a1"), other.Site("b1")
		others = append(others, r)
	}
	for name, again := range map[string]struct {
		o Options
		f File
	}{"the same": {later, file("f", rows...)}, "turned round, by another mesh": {turned, file("g", others...)}} {
		if r, err := do(t, s, again.o, again.f); err != nil || r.Stored != 0 || r.Known != 2 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if diff := cmp.Diff(before, stored(t, s, "a1", "b1")); diff != "" {
			t.Errorf("%s changed the store (-want +got):\n%s", name, diff)
		}
		if n := len(journal(t, s)); n != entries {
			t.Errorf("%s: the journal went from %d entries to %d", name, entries, n)
		}
	}
	if r, err := do(t, s, later, file("f", append(rows, row(m, 3000, 5))...)); err != nil || r.Stored != 1 || r.Known != 2 {
		t.Errorf("with one window more: %+v, %v", r, err)
	}
	for _, c := range []struct {
		name     string
		mesh     *mesh.Mesh
		seconds  int
		archived bool
	}{{"the mesh of before", m, 4000, false}, {"another mesh", other, 5000, true}, {"the other mesh again", other, 6000, false}} {
		o := later
		o.Mesh, o.Test = c.mesh, c.mesh.Test("icmp")
		if r, err := do(t, s, o, file("f", row(c.mesh, c.seconds, 5))); err != nil || r.Stored != 1 || r.Archived != c.archived {
			t.Errorf("by %s: %+v, %v", c.name, r, err)
		}
	}
}

func TestConflicts(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s := sqliteStore(t)
	if _, err := do(t, s, options(m), file("f", row(m, 0, 20_000))); err != nil {
		t.Fatal(err)
	}
	more := file("g", row(m, 0, 20_000), row(m, 1, 21_000), row(m, 1000, 7))
	_, err := do(t, s, options(m), more)
	if _, refused := errors.AsType[*Refusal](err); !refused || !strings.HasPrefix(err.Error(), "1 of 2 windows differ from what the store has under their keys, so nothing is imported; ") {
		t.Errorf("%v", err)
	}
	if n := len(stored(t, s, "a1", "b1")); n != 1 {
		t.Errorf("%d windows after a refusal", n)
	}
	o := options(m)
	o.AllowConflicts, o.Now = true, o.Now.Add(time.Hour)
	for _, want := range []Report{{Stored: 2, Conflicts: 1}, {Known: 2}} {
		r, err := do(t, s, o, more)
		if err != nil || r.Stored != want.Stored || r.Conflicts != want.Conflicts || r.Known != want.Known {
			t.Errorf("%+v, %v; want %+v", r, err, want)
		}
	}
	records := stored(t, s, "a1", "b1")
	if len(records) != 2 || records[0].Window.Sent != 1 || len(records[0].Conflicts) != 1 {
		t.Errorf("%+v", records)
	}
}

func TestBadRows(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", append(scenario.Sites(), "d1 b one optical both from: 2025-06-04", "r1 b one optical reflector"), nil)
	alone := func(summary Summary, c Counts) Row {
		r := row(m, 5)
		r.Alone, r.Once, r.Summary, r.Counts = true, true, &summary, c
		return r
	}
	once := func(tag string, rtts ...uint32) Row {
		r := row(m, 5, rtts...)
		r.Once, r.Tag = true, tag
		return r
	}
	ends := func(src, dst string) Row {
		r := row(m, 5, 1)
		r.Src, r.Dst = m.Site(src), m.Site(dst)
		return r
	}
	many := row(m, 5, 1)
	many.Counts.Lost = 90_000
	for _, c := range []struct {
		name string
		rows []Row
		bad  string // lines; or
		err  string
	}{
		{"future", []Row{row(m, 48*3600+1, 1)}, "f:1: 2025-06-05T00:00:01Z is in the future\n", ""},
		{"before time", []Row{row(m, -int(day().Unix()), 1)}, "f:1: 1970-01-01T00:00:00Z is not after 1970\n", ""},
		{"not yet a site", []Row{ends("a1", "d1")}, "f:1: site d1 did not exist then by the mesh: see its from and until\n", ""},
		{"no probe", []Row{ends("r1", "a1")}, "f:1: test icmp does not measure r1>a1 by the mesh: see its links, and the sites' role, carrier and plane\n", ""},
		{"itself", []Row{ends("a1", "a1")}, "f:1: test icmp does not measure a1>a1 by the mesh: see its links, and the sites' role, carrier and plane\n", ""},
		{"order", []Row{alone(Summary{Min: us(5), Max: us(4)}, Counts{})}, "f:1: min, mean and max are not in this order\n", ""},
		{"two summaries", []Row{alone(Summary{Min: us(4)}, Counts{}), alone(Summary{Min: us(5)}, Counts{})}, "f:2: contradicts f:1, which tells of the same link and moment\n", ""},
		{"two results", []Row{once("x", 4), once("y", 4), once("x", 5)}, "f:3: contradicts f:1, which tells of the same link and moment\n", ""},
		{"too many packets", []Row{many}, "", "a window cannot hold 90001 packets, at most 90000; is the test's window_s too long for these rows, or does one row stand for too many?"},
		{"no rows", nil, "", "nothing is left to import of 0 rows: 0 are bad, 0 belong to no link of the mesh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sqliteStore(t)
			r, err := do(t, s, options(m), file("f", c.rows...))
			if _, refused := errors.AsType[*Refusal](err); !refused {
				t.Fatalf("not refused: %v", err)
			}
			want := c.err
			if want == "" {
				want = fmt.Sprintf("%d of %d rows are bad, so nothing is imported; mend them, or leave them out by --skip-bad", r.Bad, r.Rows)
			}
			var lines bytes.Buffer
			if werr := r.WriteBad(&lines); werr != nil || lines.String() != c.bad || err.Error() != want {
				t.Errorf("%s%v\nwant\n%s%s", &lines, err, c.bad, want)
			}
			if len(stored(t, s, "a1", "b1")) > 0 || len(journal(t, s)) > 0 {
				t.Error("something was stored")
			}
		})
	}
}

// TestSkipBad: the others are imported, and what is left out is told.
func TestSkipBad(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	f := File{"f", func(context.Context) iter.Seq2[Found, error] {
		return func(yield func(Found, error) bool) {
			for i := range 30 {
				yield(Found{Line: i + 1, Bad: errors.New("bad")}, nil)
				yield(Found{Line: i + 1, LeftOut: fmt.Sprintf("of probe %d", i)}, nil)
				yield(Found{Line: i + 1, LeftOut: "of another"}, nil)
			}
			yield(Found{Line: 91, Row: row(m, 0, 1)}, nil)
		}
	}}
	o := options(m)
	o.SkipBad = true
	r, err := do(t, sqliteStore(t), o, f)
	if err != nil {
		t.Fatal(err)
	}
	var bad, out bytes.Buffer
	if err := errors.Join(r.WriteBad(&bad), r.Write(&out)); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(bad.String(), "\n"); len(lines) != 22 || lines[19] != "f:20: bad" || lines[20] != "and 10 more" {
		t.Errorf("%s", &bad)
	}
	lines := strings.Split(out.String(), "\n")
	want := []string{
		"rows     91 of 1 files: 30 bad, 60 left out, 0 told twice",
		"windows  1 of 1 links: 1 stored now, 0 stored before",
		"left out       30  of another",
		"left out        1  of probe 0",
	}
	if diff := cmp.Diff(want, lines[:4]); diff != "" || lines[len(lines)-2] != "left out       11  for 11 more reasons" {
		t.Errorf("(-want +got):\n%s%s", diff, &out)
	}
}

// TestBrokenFile: an error in the middle keeps all out.
func TestBrokenFile(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	f := File{"f", func(context.Context) iter.Seq2[Found, error] {
		return func(yield func(Found, error) bool) {
			_ = yield(Found{Line: 1, Row: row(m, 0, 1)}, nil) && yield(Found{}, Refuse("f:2: broken"))
		}
	}}
	o := options(m)
	o.SkipBad = true
	s := sqliteStore(t)
	if _, err := do(t, s, o, f); err == nil || err.Error() != "f:2: broken" {
		t.Errorf("%v", err)
	}
	if len(stored(t, s, "a1", "b1")) > 0 {
		t.Error("something was stored")
	}
}

// TestSites that sign take no windows without a signature.
func TestSitesThatSign(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s := sqliteStore(t)
	key := store.SigningKey{Site: "a1", Key: make([]byte, 32), Enrolled: day()}
	if err := s.PutSigningKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	const want = "site a1 signs what it measures, and what is imported has no signature; import it as of another site in the same place"
	if _, err := do(t, s, options(m), file("f", row(m, 0, 1))); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	back := row(m, 0, 1)
	back.Src, back.Dst = back.Dst, back.Src
	if r, err := do(t, s, options(m), file("f", back)); err != nil || r.Stored != 1 {
		t.Errorf("of another site: %+v, %v", r, err)
	}
}

// TestBeside: windows of a probe at the same times are told.
func TestBeside(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s := sqliteStore(t)
	w := scenario.Window(m, "a1", "b1", day(), scenario.Same(20_000, 60), 0)
	if err := s.Put(t.Context(), store.Admission{At: day(), Site: "a1", Batch: "x", MeshSHA256: m.SHA256(), Windows: []wire.Window{w}}); err != nil {
		t.Fatal(err)
	}
	r, err := do(t, s, options(m), file("f", row(m, 0, 1)))
	if diff := cmp.Diff([]string{"a1>b1"}, r.Beside); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// breaking is a store that fails after some admissions.
type breaking struct {
	Store
	puts int
}

func (b *breaking) Put(ctx context.Context, a store.Admission) error {
	if b.puts--; b.puts < 0 {
		return errors.New("the disk is full")
	}
	return b.Store.Put(ctx, a)
}

// TestBroken: what a store broke off is completed by doing it again.
func TestBroken(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	var rows []Row
	for i := range 2 {
		for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}, {"c1", "a1"}} {
			r := row(m, i*900, 20_000)
			r.Src, r.Dst = m.Site(ends[0]), m.Site(ends[1])
			rows = append(rows, r)
		}
	}
	s := sqliteStore(t)
	r, err := do(t, &breaking{Store: s, puts: 1}, options(m), file("f", rows...))
	if want := "store windows: the disk is full; 2 are stored, import the same again to complete it"; err == nil || err.Error() != want || r.Stored != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = do(t, s, options(m), file("f", rows...)); err != nil || r.Stored != 4 || r.Known != 2 {
		t.Errorf("again: %+v, %v", r, err)
	}
}

// unjournalled hides the journal.
type unjournalled struct{ Store }

func (unjournalled) Journal(context.Context, store.Cursor) iter.Seq2[store.Entry, error] {
	return func(func(store.Entry, error) bool) {}
}

// TestUnjournalled: windows that a store has, and whose entry was never
// written, are put again with one.
func TestUnjournalled(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s := sqliteStore(t)
	if _, err := do(t, s, options(m), file("f", row(m, 0, 1))); err != nil {
		t.Fatal(err)
	}
	later := options(m)
	later.Now = later.Now.Add(time.Second)
	if r, err := do(t, unjournalled{s}, later, file("f", row(m, 0, 1))); err != nil || r.Stored != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if n := len(journal(t, s)); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// TestPacketsAreKept: windows hold what rows brought, however these lie in
// files, and nothing else.
func TestPacketsAreKept(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	rapid.Check(t, func(rt *rapid.T) {
		type packet struct {
			dst     string
			session uint64
			start   int64
			rtt     uint32 // 0: lost
		}
		want := map[packet]int{}
		var rows []Row
		for range rapid.IntRange(1, 40).Draw(rt, "rows") {
			r := row(m, rapid.IntRange(0, 4000).Draw(rt, "at"))
			r.Dst, r.Session = m.Site(rapid.SampledFrom([]string{"b1", "c1"}).Draw(rt, "dst")), rapid.Uint64Range(1, 3).Draw(rt, "session")
			r.RTTUS = rapid.SliceOfN(rapid.Uint32Range(1, 30), 0, 4).Draw(rt, "rtts")
			r.Counts.Lost = rapid.Uint32Range(0, 2).Draw(rt, "lost")
			start := r.AtMS - r.AtMS%900_000
			for _, us := range r.RTTUS {
				want[packet{r.Dst.ID, r.Session, start, us}]++
			}
			if r.Counts.Lost > 0 {
				want[packet{r.Dst.ID, r.Session, start, 0}] += int(r.Counts.Lost)
			}
			rows = append(rows, r)
		}
		cut := rapid.IntRange(0, len(rows)).Draw(rt, "cut")
		p, err := Prepare(t.Context(), []File{file("f", rows[:cut]...), file("g", rows[cut:]...)}, options(m))
		if err != nil {
			rt.Fatal(err)
		}
		defer p.Close()
		got := map[packet]int{}
		for page, err := range p.pages(t.Context()) {
			if err != nil {
				rt.Fatal(err)
			}
			for _, c := range page {
				w := &c.window
				rtts, err := wire.DecodeRTTs(nil, w.RTTs)
				if err != nil {
					rt.Fatal(err)
				}
				for _, us := range rtts {
					got[packet{w.Dst, w.Session, w.StartMS, us}]++
				}
				if w.Lost > 0 {
					got[packet{w.Dst, w.Session, w.StartMS, 0}] += int(w.Lost)
				}
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(packet{})); diff != "" {
			rt.Fatalf("packets (-want +got):\n%s", diff)
		}
	})
}
