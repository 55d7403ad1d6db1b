package export

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func start() time.Time { return time.Date(2025, 6, 3, 0, 0, 0, 0, time.UTC) }

// source holds windows, a journal and an archive.
type source struct {
	windows []wire.Window // the earliest admitted first
	spans   []store.Span
	meshes  []store.MeshVersion
	err     error
}

func (s *source) Windows(_ context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		records := map[wire.Key]*store.Record{}
		for _, w := range s.windows {
			if w.Src != q.Src || w.Dst != q.Dst || w.Test != q.Test || w.StartMS < q.FromMS || w.StartMS >= q.ToMS {
				continue
			}
			if r := records[w.Key]; r != nil {
				r.Conflicts = append(r.Conflicts, w)
			} else {
				records[w.Key] = &store.Record{Window: w}
			}
		}
		for _, k := range slices.SortedFunc(maps.Keys(records), func(a, b wire.Key) int {
			return cmp.Or(cmp.Compare(a.StartMS, b.StartMS), cmp.Compare(a.Session, b.Session))
		}) {
			if !yield(*records[k], nil) {
				return
			}
		}
		if s.err != nil {
			yield(store.Record{}, s.err)
		}
	}
}

func (s *source) Journal(context.Context, store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		yield(store.Entry{Spans: s.spans}, nil)
	}
}

func (s *source) Meshes(context.Context) ([]store.MeshVersion, error) { return s.meshes, nil }

func period() report.Period { return report.Period{From: start(), To: start().Add(24 * time.Hour)} }

func write(t testing.TB, s *source, m *mesh.Mesh, o Options) ([]byte, *Result) {
	t.Helper()
	var out bytes.Buffer
	r, err := Write(t.Context(), &out, s, m, period(), o)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), r
}

// full is a window with all groups that samples allow.
func full(m *mesh.Mesh, minute int) wire.Window {
	w := scenario.Window(m, "a1", "b1", start().Add(time.Duration(minute)*time.Minute), []uint32{20_000, 20_001, 20_003}, 2)
	dscp := 46
	w.Received, w.Unstamped, w.Late, w.Sent = 4, 1, 1, 6
	w.IPDV = &wire.IPDV{MeanUS: 1.5, MaxUS: 2}
	w.ReplyTTL = &wire.ReplyTTL{Min: 55, Max: 57, Changes: 1}
	w.STAMP = &wire.STAMP{Authenticated: true, RawRTTs: wire.AppendRTTs(nil, []uint32{20_100}), ResidenceMaxUS: 100, Capped: 1, ForwardLost: 1, ReverseLost: 1, DSCPReceived: &dscp, Reordered: 3}
	w.OneWay = &wire.OneWay{ErrorUS: 12, Forward: wire.AppendRTTs(nil, []uint32{9000, 9001})}
	w.Path = &wire.Path{Trigger: "ttl", AtMS: w.StartMS + 5, Hops: []wire.Hop{{TTL: 1, Address: "192.0.2.1", RTTUS: 300}, {TTL: 2}}}
	w.Clock = wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 5, FrequencyPPB: -7}
	return w
}

func summary(m *mesh.Mesh, minute int) wire.Window {
	w := scenario.Window(m, "a1", "b1", start().Add(time.Duration(minute)*time.Minute), nil, 1)
	least, mean, most := uint32(1), 2.5, uint32(4)
	w.Received, w.Sent = 3, 4
	w.Summary = &wire.Summary{MinUS: &least, MeanUS: &mean, MaxUS: &most, Source: "elsewhere"}
	w.Origin = wire.OriginImported
	return w
}

func stage(t testing.TB) (*source, *mesh.Mesh) {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	other := full(m, 0)
	other.Clock.MaxErrorUS++
	back := scenario.Window(m, "b1", "a1", start(), []uint32{21_000}, 0)
	gone := scenario.Window(m, "b1", "a1", start(), []uint32{22_000}, 0)
	gone.Src, gone.Test = "z9", "old"
	before := scenario.Window(m, "a1", "b1", start().Add(-time.Minute), []uint32{1}, 0)
	after := scenario.Window(m, "a1", "b1", start().Add(24*time.Hour), []uint32{1}, 0)
	s := &source{
		windows: []wire.Window{gone, back, after, full(m, 0), summary(m, 1), other, before},
		spans:   []store.Span{{Src: "z9", Dst: "a1", Test: "old", FirstMS: start().UnixMilli(), LastMS: start().UnixMilli(), Windows: 1}, {Src: "y9", Dst: "a1", Test: "old", FirstMS: 1, LastMS: 2, Windows: 1}},
	}
	for i := range s.windows {
		if err := s.windows[i].Check(); err != nil {
			t.Fatal(err)
		}
	}
	return s, m
}

func TestWindowsAsCSV(t *testing.T) {
	s, m := stage(t)
	out, r := write(t, s, m, Options{Format: CSV})
	if r.Links != 3 || r.Windows != 5 || r.Rows != 5 || r.Origins[wire.OriginImported] != 1 {
		t.Errorf("%+v", r)
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]string{}
	for i, name := range rows[0] {
		first[name] = rows[1][i]
	}
	digest := s.windows[3].Digest()
	want := map[string]string{
		"src": "a1", "dst": "b1", "test": "icmp", "session": "1", "start_ms": "1748908800000", "conflict": "0",
		"src_cluster": "a", "dst_cluster": "b", "carrier": "one", "plane": "optical", "method": "icmp", "end_ms": "1748908860000", "end_reason": "full",
		"scheduled": "60", "sent": "6", "received": "4", "lost": "2", "late": "1", "duplicate": "0", "send_error": "0", "unstamped": "1",
		"min_us": "20000", "mean_us": "20001.333333333332", "p50_us": "20001", "p95_us": "20003", "p99_us": "20003", "max_us": "20003",
		"ipdv_mean_us": "1.5", "ipdv_max_us": "2", "ttl_min": "55", "ttl_max": "57", "ttl_changes": "1",
		"timestamps": "user", "clock": "synchronised", "clock_max_error_us": "5", "clock_frequency_ppb": "-7", "origin": "synthetic",
		"mesh_sha256": m.SHA256(), "probe_version": "scenario",
		"stamp_authenticated": "true", "stamp_residence_max_us": "100", "stamp_capped": "1", "stamp_forward_lost": "1", "stamp_reverse_lost": "1", "stamp_dscp_received": "46", "stamp_reordered": "3",
		"one_way_error_us": "12", "one_way_forward_us": "[9000,9001]", "one_way_reverse_us": "[]", "path_trigger": "ttl", "path_at_ms": "1748908800005", "path_hops": `[{"ttl":1,"address":"192.0.2.1","rtt_us":300},{"ttl":2}]`,
		"summary_min_us": "", "summary_mean_us": "", "summary_max_us": "", "summary_source": "", "sha256": digest.String(),
	}
	if diff := gocmp.Diff(want, first); diff != "" {
		t.Errorf("first row (-want +got):\n%s", diff)
	}
	var keys []string
	for _, row := range rows[1:] {
		keys = append(keys, strings.Join(row[:6], " ")+" "+strings.Join(row[len(row)-5:len(row)-1], " "))
	}
	if diff := gocmp.Diff([]string{
		"a1 b1 icmp 1 1748908800000 0    ", "a1 b1 icmp 1 1748908800000 1    ", "a1 b1 icmp 1 1748908860000 0 1 2.5 4 elsewhere",
		"b1 a1 icmp 1 1748908800000 0    ", "z9 a1 old 1 1748908800000 0    ",
	}, keys); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestSamplesAsCSV(t *testing.T) {
	s, m := stage(t)
	out, r := write(t, s, m, Options{Format: CSV, Samples: true, Test: "icmp"})
	if r.Links != 2 || r.Windows != 4 || r.Rows != 13 {
		t.Errorf("%+v", r)
	}
	var want strings.Builder
	want.WriteString("src,dst,test,session,start_ms,conflict,origin,index,outcome,rtt_us\n")
	for _, conflict := range []string{"0", "1"} {
		for i, packet := range []string{"reply,20000", "reply,20001", "reply,20003", "unstamped,", "lost,", "lost,"} {
			want.WriteString("a1,b1,icmp,1,1748908800000," + conflict + ",synthetic," + strconv.Itoa(i) + "," + packet + "\n")
		}
	}
	want.WriteString("b1,a1,icmp,1,1748908800000,0,synthetic,0,reply,21000\n")
	if diff := gocmp.Diff(want.String(), string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEmpty: a table without rows has a header.
func TestEmpty(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	for _, samples := range []bool{false, true} {
		out, _ := write(t, &source{}, m, Options{Format: CSV, Samples: samples})
		if !bytes.HasPrefix(out, []byte("src,dst,test,session,start_ms,conflict,")) || bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("%s", out)
		}
		out, _ = write(t, &source{}, m, Options{Format: Parquet, Samples: samples})
		file, err := parquet.OpenFile(bytes.NewReader(out), int64(len(out)))
		if err != nil || file.NumRows() != 0 || len(file.Schema().Columns()) < 10 {
			t.Errorf("%v", err)
		}
	}
}

// TestParquetHoldsTheSame reads it back, and compares with the CSV.
func TestParquetHoldsTheSame(t *testing.T) {
	s, m := stage(t)
	t.Run("windows", func(t *testing.T) { sameRows[Window](t, s, m, false) })
	t.Run("samples", func(t *testing.T) { sameRows[Sample](t, s, m, true) })
}

func sameRows[R any](t *testing.T, s *source, m *mesh.Mesh, samples bool) {
	out, r := write(t, s, m, Options{Format: Parquet, Samples: samples})
	rows, err := parquet.Read[R](bytes.NewReader(out), int64(len(out)))
	if err != nil || len(rows) != r.Rows {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var again bytes.Buffer
	table := newCSVTable[R](&again)
	for i := range rows {
		if err := table.add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.end(); err != nil {
		t.Fatal(err)
	}
	want, _ := write(t, s, m, Options{Format: CSV, Samples: samples})
	if diff := gocmp.Diff(string(want), again.String()); diff != "" {
		t.Errorf("(-CSV +Parquet):\n%s", diff)
	}
}

// TestSameBytes: the same windows make the same file, over several row groups.
func TestSameBytes(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s := &source{}
	for i := range 30 {
		w := scenario.Window(m, "a1", "b1", start().Add(time.Duration(i)*time.Minute), scenario.Same(20_000+uint32(i), 4000), 0)
		s.windows = append(s.windows, w)
	}
	for _, o := range []Options{{Format: CSV}, {Format: CSV, Samples: true}, {Format: Parquet}, {Format: Parquet, Samples: true}} {
		first, _ := write(t, s, m, o)
		second, _ := write(t, s, m, o)
		if !bytes.Equal(first, second) {
			t.Errorf("%+v: two exports differ", o)
		}
		if o.Format == Parquet && o.Samples {
			file, err := parquet.OpenFile(bytes.NewReader(first), int64(len(first)))
			if err != nil || len(file.RowGroups()) != 2 || file.NumRows() != 120_000 {
				t.Errorf("%v, %d row groups", err, len(file.RowGroups()))
			}
		}
	}
}

// TestColumns: every column has a name of its own, and its type is one that all
// formats hold.
func TestColumns(t *testing.T) {
	for _, of := range []reflect.Type{reflect.TypeFor[Window](), reflect.TypeFor[Sample]()} {
		seen := map[string]bool{}
		for i := range of.NumField() {
			field := of.Field(i)
			name := columnName(field.Tag.Get("parquet"))
			if name == "" || seen[name] {
				t.Errorf("%s.%s: column %q", of.Name(), field.Name, name)
			}
			seen[name] = true
			cell(reflect.New(field.Type).Elem())
			if optional := strings.Contains(field.Tag.Get("parquet"), ",optional"); optional != (field.Type.Kind() == reflect.Pointer) {
				t.Errorf("%s.%s: optional is %v", of.Name(), field.Name, optional)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	s, m := stage(t)
	s.err = errors.New("the store is away")
	if _, err := Write(t.Context(), io.Discard, s, m, period(), Options{Format: CSV}); err == nil || err.Error() != "read windows of a1>b1: the store is away" {
		t.Errorf("%v", err)
	}
	s.err = nil
	s.windows[3].RTTs = []byte{0x80}
	if _, err := Write(t.Context(), io.Discard, s, m, period(), Options{Format: CSV, Samples: true}); err == nil || !strings.HasPrefix(err.Error(), "write the export: window a1>b1/icmp@2025-06-03T00:00:00.000Z#1: rtts: ") {
		t.Errorf("%v", err)
	}
	s, m = stage(t)
	for _, format := range []Format{CSV, Parquet} {
		if _, err := Write(t.Context(), noSpace{}, s, m, period(), Options{Format: format}); err == nil || !strings.HasPrefix(err.Error(), "write the export: ") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// noSpace is a disk without any.
type noSpace struct{}

func (noSpace) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestPacketsAreKept: samples are those of the windows, each once.
func TestPacketsAreKept(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	rapid.Check(t, func(rt *rapid.T) {
		s := &source{}
		want := map[string]int{}
		for i := range rapid.IntRange(0, 5).Draw(rt, "windows") {
			rtts := rapid.SliceOfN(rapid.Uint32Range(0, 50), 0, 20).Draw(rt, "rtts")
			lost := rapid.IntRange(0, 4).Draw(rt, "lost")
			w := scenario.Window(m, "a1", "b1", start().Add(time.Duration(i)*time.Minute), rtts, lost)
			s.windows = append(s.windows, w)
			for _, us := range rtts {
				want[strconv.FormatInt(w.StartMS, 10)+" "+strconv.Itoa(int(us))]++
			}
			if lost > 0 {
				want[strconv.FormatInt(w.StartMS, 10)+" "] += lost
			}
		}
		var out bytes.Buffer
		if _, err := Write(t.Context(), &out, s, m, period(), Options{Format: CSV, Samples: true}); err != nil {
			rt.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			rt.Fatal(err)
		}
		got := map[string]int{}
		for _, row := range rows[1:] {
			got[row[4]+" "+row[9]]++
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			rt.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// TestMemoryDoesNotGrow: what is held does not follow the number of rows.
func TestMemoryDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: writes half a million rows")
	}
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	w := scenario.Window(m, "a1", "b1", start(), scenario.Same(20_000, 60), 0)
	held := func(windows int) uint64 {
		s := &endless{window: w, n: windows}
		if _, err := Write(t.Context(), io.Discard, s, m, period(), Options{Format: Parquet, Samples: true}); err != nil {
			t.Fatal(err)
		}
		return s.held
	}
	few, many := held(2_000), held(8_000)
	if many > few+few/2+16<<20 {
		t.Errorf("%d bytes are held for 120 000 rows, %d for 480 000", few, many)
	}
}

// endless makes windows as they are asked for, and looks now and then how much
// memory is in use.
type endless struct {
	source
	window wire.Window
	n      int
	held   uint64
}

func (e *endless) Windows(_ context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if q.Src != "a1" || q.Dst != "b1" {
			return
		}
		for i := range e.n {
			w := e.window
			w.StartMS += int64(i)
			if !yield(store.Record{Window: w}, nil) {
				return
			}
			if i%500 == 499 {
				var stats runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&stats)
				e.held = max(e.held, stats.HeapAlloc)
			}
		}
	}
}

// TestPythonReadsIt: another language finds the same figures. Parquet needs
// pyarrow, which need not be there.
func TestPythonReadsIt(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: there is no python3, so no other reader tries the files")
	}
	s, m := stage(t)
	dir := t.TempDir()
	for name, o := range map[string]Options{
		"windows.csv": {Format: CSV}, "samples.csv": {Format: CSV, Samples: true},
		"windows.parquet": {Format: Parquet}, "samples.parquet": {Format: Parquet, Samples: true},
	} {
		out, _ := write(t, s, m, o)
		if err := os.WriteFile(filepath.Join(dir, name), out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, err := filepath.Abs("testdata/read.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, program, dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var got struct {
		P95     map[string]int `json:"p95_us"`
		Lost    map[string]int `json:"lost"`
		Digests []string       `json:"digests"`
		Parquet string         `json:"parquet"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := gocmp.Diff(map[string]int{"a1>b1": -1, "b1>a1": 21_000, "z9>a1": 22_000}, got.P95); diff != "" {
		t.Errorf("p95 (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(map[string]int{"a1>b1": 2, "b1>a1": 0, "z9>a1": 0}, got.Lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	if _, err := hex.DecodeString(strings.Join(got.Digests, "")); err != nil || len(got.Digests) != 5 {
		t.Errorf("digests %v", got.Digests)
	}
	switch got.Parquet {
	case "same":
	case "no pyarrow":
		t.Skip("SKIPPED: python3 has no pyarrow, so no other reader tries the Parquet files")
	default:
		t.Errorf("Parquet: %s", got.Parquet)
	}
}
