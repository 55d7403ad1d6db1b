package influx

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
)

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                   `""`,
		"zjk-1_a.b":          `"zjk-1_a.b"`,
		"db/autogen":         `"db/autogen"`,
		`a" or true`:         `"a\x22 or true"`,
		`\`:                  `"\x5c"`,
		"${r._value}":        `"\x24\x7br._value\x7d"`,
		"张\n":                `"\xe5\xbc\xa0\x0a"`,
		"// /* comment */ '": `"// /\x2a comment \x2a/ \x27"`,
	} {
		if got := quote(text); got != want {
			t.Errorf("quote(%q) = %s, not %s", text, got, want)
		}
	}
}

// TestQuoteOnServers lets real servers read the literals: what they compare
// with must be the text that was quoted.
func TestQuoteOnServers(t *testing.T) {
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			server := influxtest.Start(t, series)
			file := server.NewBucket(t)
			s, err := Open(file, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for i, value := range []string{`plain`, `a"b`, `a\b`, `$a`, `${a}`, `${r.x}`, `张家口`, `a b/c//d`, `'`, `\x41`, `%s`, `){}|>`} {
				escaped := strings.NewReplacer(`\`, `\\`, ` `, `\ `, `,`, `\,`, `=`, `\=`).Replace(value)
				if value == `a\b` || value == `\x41` {
					escaped = value // line protocol keeps a backslash before other characters
				}
				server.Write(t, file, "q,v="+escaped+` text="x" `+string(rune('1'+i%9)))
				got, err := s.documents(t.Context(), selection{measurement: "q", document: "text", tags: []tag{{"v", value}}, toNS: endNS})
				if err != nil || len(got) != 1 {
					t.Errorf("%q: %d points, %v", value, len(got), err)
				}
			}
		})
	}
}

// TestDocumentedQuery runs the query that docs/store.md shows, on real servers.
func TestDocumentedQuery(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "store.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(string(docs), "```flux\n")
	query, _, found := strings.Cut(query, "```")
	if !found {
		t.Fatal("docs/store.md shows no Flux")
	}
	start := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	windows := conformance.Windows(1, "a", "b", start.UnixMilli(), 3)
	for i := range windows {
		windows[i].Test = "icmp"
	}
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			s, err := Open(influxtest.Start(t, series).NewBucket(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Put(t.Context(), store.Admission{At: start, Site: "a", Batch: "x", Windows: windows}); err != nil {
				t.Fatal(err)
			}
			result, err := s.client.QueryAPI(s.config.Org).Query(t.Context(), strings.Replace(query, `"fibergauge"`, quote(s.config.Bucket), 1))
			if err != nil {
				t.Fatal(err)
			}
			defer result.Close()
			var got []float64
			for result.Next() {
				if want := time.UnixMilli(windows[len(got)].StartMS); !result.Record().Time().Equal(want) {
					t.Errorf("time %s, not %s", result.Record().Time(), want)
				}
				got = append(got, result.Record().Value().(float64))
			}
			if err := result.Err(); err != nil {
				t.Fatal(err)
			}
			var want []float64
			for _, w := range windows {
				want = append(want, float64(w.Stats.P95US)/1000)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("p95 differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPieces is a law: what setDocument cuts, the pieces in order give back.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 4*pieceBytes).Draw(t, "length")
		want := strings.Repeat("0123456789abcde", n/15+1)[:n]
		fields := map[string]any{}
		setDocument(fields, "d", []byte(want))
		got := ""
		for i := range len(fields) {
			name := "d"
			if i > 0 {
				name = "d_00" + string(rune('0'+i))
			}
			piece, ok := fields[name].(string)
			if !ok || len(piece) > 64<<10 {
				t.Fatalf("piece %s of %d bytes: %v, %d bytes", name, n, ok, len(piece))
			}
			got += piece
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%d bytes come back changed", n)
		}
	})
}

// TestPast is a law: the sum depends on what the last hour holds, not on the
// order in which it came to light, and forgets what is older.
func TestPast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, recent := newPast(), newPast()
		for i := range rapid.IntRange(0, 9).Draw(t, "old entries") {
			old.add(int64(i), uint64(i%3))
		}
		atNS := 2 * overlapNS
		for range rapid.IntRange(1, 20).Draw(t, "entries") {
			atNS += rapid.Int64Range(0, overlapNS/30).Draw(t, "step")
			id := rapid.Uint64Range(0, 5).Draw(t, "id")
			if old.add(atNS, id) != recent.add(atNS, id) {
				t.Fatal("what is older than the overlap counts")
			}
			if old.cursor() != recent.cursor() {
				t.Fatalf("cursors %s and %s of the same hour", old.cursor(), recent.cursor())
			}
		}
		before := recent.cursor()
		recent.add(atNS, 6)
		if recent.cursor() == before {
			t.Fatal("a further entry does not show")
		}
	})
}
