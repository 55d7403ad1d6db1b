package distances

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/mesh"
)

// Three clusters: a to b is 999.8 km by geodesic, a to c 1110.5, b to c 1456.8.
const clusters = `version: 1
name: edit
time_zone: Asia/Shanghai
hubs: [{id: hub, name: {en: Hub, zh: 枢纽}}]
clusters:
  - {id: a, hub: hub, name: {en: Alpha, zh: 甲}, location: {lat: 30, lon: 100}}
  - {id: b, hub: hub, name: {en: Beta, zh: 乙}, location: {lat: 30, lon: 110.366}}
  - {id: c, hub: hub, name: {en: Gamma, zh: 丙}, location: {lat: 40.01, lon: 100}}
carriers:
  - {id: one, name: {en: One}}
planes: [optical]
sites:
  - {id: a1, cluster: a, carrier: one, plane: optical, address: 192.0.2.1, role: both}
  - {id: b1, cluster: b, carrier: one, plane: optical, address: 192.0.2.2, role: both, location: {lat: 30.5, lon: 110.366}}
  - {id: c1, cluster: c, carrier: one, plane: optical, address: 192.0.2.3, role: both}
`

// What stands after the distances.
const tests = `# The tests.
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, window_s: 900}   # one
judged: icmp
`

func parse(t testing.TB, text string) *mesh.Mesh {
	t.Helper()
	m, err := mesh.Parse("mesh.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func between(a, b string, km float64, class mesh.DistanceClass, source string, from mesh.Moment) mesh.Distance {
	return mesh.Distance{Clusters: []string{a, b}, KM: km, Class: class, Source: source, From: from}
}

// Each file gets a distance for a–b that counts from 2026-01-01, and one for
// b–c that always does, between what is there and what follows.
func TestEditKeepsWhatIsThere(t *testing.T) {
	const ab = `clusters: [a, b]
    km: 1500.5
    class: A
    source: "Register 17: 沪-京 \"new\""
    from: 2026-01-01
`
	const bc = `clusters: [b, c]
    km: 1900
    class: A
    source: "no. 2"
`
	const blocks = "  - " + ab + "  - " + bc
	for _, c := range []struct{ name, before, after string }{
		{"no list", "# Surveyed ones go here.\n# distances:\n\n", "# Surveyed ones go here.\n# distances:\n\ndistances:\n" + blocks + "\n"},
		{"an empty list", "distances: []   # none yet\n", "distances:   # none yet\n" + blocks},
		{"by lines",
			"distances:\n  # The first.\n  - clusters: [b, a]\n    km: 1400   # by the map\n    class: B\n    source: a map\n    # why so long\n\n",
			"distances:\n  # The first.\n  - clusters: [b, a]\n    km: 1400   # by the map\n    class: B\n    source: a map\n    # why so long\n    until: 2026-01-01\n" + blocks + "\n"},
		{"in braces, an until to be changed",
			"distances:\n  - {clusters: [a, b], km: 1400, class: B, source: 地图, until: \"2027-01-01\", from: 2020-01-01} # 一\n  # Next.\n  - {clusters: [a, c], km: 1400, class: C, source: x}\n",
			"distances:\n  - {clusters: [a, b], km: 1400, class: B, source: 地图, until: 2026-01-01, from: 2020-01-01} # 一\n  - " + ab +
				"  # Next.\n  - {clusters: [a, c], km: 1400, class: C, source: x}\n  - " + bc},
		{"in braces, without until",
			"distances:\n  - {clusters: [a, b], km: 1400, class: B,\n     medium: microwave, source: \"北, } #\"}\n",
			"distances:\n  - {clusters: [a, b], km: 1400, class: B,\n     medium: microwave, until: 2026-01-01, source: \"北, } #\"}\n  - " +
				strings.Replace(ab, "    from", "    medium: microwave\n    from", 1) + "  - " + bc},
		{"not set in, a folded source, dashes alone",
			"distances:\n-\n  clusters: [a, b]\n  km: 1400\n  class: B\n  source: >-\n    a map\n    # of 2024\n-\n  clusters: [a, c]\n  km: 1400\n  class: C\n  source: x\n\n",
			"distances:\n-\n  clusters: [a, b]\n  km: 1400\n  class: B\n  source: >-\n    a map\n    # of 2024\n  until: 2026-01-01\n- " + strings.ReplaceAll(ab, "\n    ", "\n  ") +
				"-\n  clusters: [a, c]\n  km: 1400\n  class: C\n  source: x\n- " + strings.ReplaceAll(bc, "\n    ", "\n  ") + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, whole := range []struct{ name, before, after string }{
				{"before the tests", clusters + c.before + tests, clusters + c.after + tests},
				{"last", clusters + tests + c.before, clusters + tests + c.after},
				{"CRLF", strings.ReplaceAll(clusters+c.before+tests, "\n", "\r\n"), strings.ReplaceAll(clusters+c.after+tests, "\n", "\r\n")},
			} {
				if c.name == "no list" && whole.name == "last" {
					continue // a new list goes before the tests
				}
				t.Run(whole.name, func(t *testing.T) {
					book := NewBook(parse(t, whole.before))
					put(t, book, between("a", "b", 1500.5, mesh.ClassA, `Register 17: 沪-京 "new"`, "2026-01-01"))
					put(t, book, between("b", "c", 1900, mesh.ClassA, "no. 2", ""))
					text, edited, err := Edit("mesh.yaml", book)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(strings.Split(whole.after, "\n"), strings.Split(string(text.Bytes()), "\n")); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					if got := parse(t, string(text.Bytes())).SHA256(); got != edited.SHA256() {
						t.Errorf("the mesh given is %s, the text is %s", edited.SHA256(), got)
					}
					patched(t, whole.before, text)
				})
			}
		})
	}
}

func put(t testing.TB, b *Book, d mesh.Distance) Outcome {
	t.Helper()
	out, err := b.Put(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// patched holds the diff against the program patch.
func patched(t *testing.T, before string, text *Text) {
	t.Helper()
	program, err := exec.LookPath("patch")
	if err != nil {
		t.Logf("SKIPPED: no program patch here (%v); the diff is not applied", err)
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mesh.yaml"), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--binary", "--fuzz=0", "-p0")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(text.Diff("mesh.yaml"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text.Diff("mesh.yaml"))
	}
	after, err := os.ReadFile(filepath.Join(dir, "mesh.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text.Bytes()), string(after)); diff != "" {
		t.Errorf("patch makes another file of the diff (-want +got):\n%s\n%s", diff, text.Diff("mesh.yaml"))
	}
}

func TestDiffIsReadable(t *testing.T) {
	book := NewBook(parse(t, strings.TrimSuffix(clusters+tests+"distances:\n  - {clusters: [a, b], km: 1400, class: B, source: map}", "\n")))
	put(t, book, between("b", "c", 1900, mesh.ClassA, "no. 2", ""))
	text, _, err := Edit("mesh.yaml", book)
	if err != nil {
		t.Fatal(err)
	}
	want := `--- mesh.yaml
+++ mesh.yaml
@@ -18,4 +18,8 @@
   - {test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, window_s: 900}   # one
 judged: icmp
 distances:
-  - {clusters: [a, b], km: 1400, class: B, source: map}
\ No newline at end of file
+  - {clusters: [a, b], km: 1400, class: B, source: map}
+  - clusters: [b, c]
+    km: 1900
+    class: A
+    source: "no. 2"
`
	if diff := cmp.Diff(want, text.Diff("mesh.yaml")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEditRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a list in brackets", clusters + "distances: [{clusters: [a, c], km: 1400, class: C, source: x}]\n" + tests,
			"mesh.yaml:16: distances: is a list in brackets; begin each entry on a line of its own with -, so that others can be added"},
		{"an empty list over lines", clusters + "distances: [\n]\n" + tests,
			"mesh.yaml:16: distances: is an empty list over several lines; write it as [] or leave it out"},
		{"an until in another form", clusters + "distances:\n  - clusters: [a, b]\n    until: >-\n      2027-01-01\n    km: 1400\n    class: C\n    source: x\n" + tests,
			"mesh.yaml:18: distances: has an until that cannot be changed in place; write it plainly on one line"},
		{"another document end", clusters + tests + "distances:\n  - clusters: [a, b]\n    km: 1400\n    class: C\n    source: >-\n      x\n  # y\n...\n# after\n",
			""},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := NewBook(parse(t, c.text))
			put(t, book, between("a", "b", 1500, mesh.ClassA, "x", "2026-01-01"))
			_, _, err := Edit("mesh.yaml", book)
			if got := fmt.Sprint(err); c.want != "" && got != c.want || c.want == "" && err != nil {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Whatever is entered in whatever file: to take the new lines out gives the
// file again, but for the untils; and what is read is the book.
func TestEditOnlyAddsLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before strings.Builder
		before.WriteString(clusters)
		free := rapid.SampledFrom([]string{"", "\n", "# note\n", "\n  # 注: note\n", "\n# a\n\n#b\n"})
		first := rapid.SampledFrom([]string{"a b", "b a", "a c", "none"}).Draw(t, "first")
		if first != "none" {
			before.WriteString("distances:\n")
			ends := strings.ReplaceAll(first, " ", ", ")
			forms := []string{
				"  - clusters: [%s]\n    km: 1400 # 公里\n    class: %s\n    source: 'it''s'\n",
				"  - {clusters: [%s], km: 1400, class: %s, source: 国道}\n",
				"  - class: &x %[2]s\n    source: >-\n      #1\n      of 2\n    clusters: [%[1]s]\n    km: 1400\n",
			}
			form := strings.Replace(rapid.SampledFrom(forms).Draw(t, "form"), "&x ", "", 1)
			fmt.Fprintf(&before, free.Draw(t, "above")+form, ends, rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "class"))
		}
		before.WriteString(free.Draw(t, "below") + tests)
		m, err := mesh.Parse("mesh.yaml", []byte(before.String()))
		if err != nil {
			t.Fatal(err)
		}
		book := NewBook(m)
		for i := range rapid.IntRange(1, 6).Draw(t, "entries") {
			ends := rapid.SampledFrom([][]string{{"a", "b"}, {"b", "a"}, {"c", "a"}, {"b", "c"}}).Draw(t, "ends")
			from := rapid.SampledFrom([]mesh.Moment{"", "2025-01-01", "2025-06-01T00:00:00+08:00", "2026-01-01"}).Draw(t, "from")
			d := between(ends[0], ends[1], 1500+float64(i)/8, mesh.ClassA, rapid.StringMatching(`[ -~一-龠]{1,20}`).Draw(t, "source"), from)
			_, _ = book.Put(d) // a refused one leaves the book as it was
		}
		if !book.Changed() {
			return
		}
		text, _, err := Edit("mesh.yaml", book)
		if err != nil {
			t.Fatalf("%v\n%s", err, before.String())
		}
		kept := ""
		for _, s := range text.steps() {
			if s.mark != '+' {
				kept += s.text + s.end
			}
		}
		if kept != before.String() {
			t.Fatalf("(-want +got):\n%s", cmp.Diff(before.String(), kept))
		}
		for _, line := range strings.Split(before.String(), "\n") {
			if _, comment, ok := strings.Cut(line, "#"); ok && !slices.ContainsFunc(strings.Split(string(text.Bytes()), "\n"), func(l string) bool { return strings.Contains(l, "#"+comment) }) {
				t.Fatalf("the comment %q is gone", comment)
			}
		}
	})
}
