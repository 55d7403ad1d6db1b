package distances

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/mesh"
)

// A mesh whose pair a–b is routed, a–c registered from 2025 on, and b–c free.
const some = `distances:
  - {clusters: [a, b], km: 1400, class: B, source: map}
  - {clusters: [a, c], km: 1300, class: C, source: guess, until: 2025-01-01}
  - {clusters: [a, c], km: 1350, class: A, source: no. 7, from: 2025-01-01}
`

// entries are the distances of a book, by lines.
func entries(b *Book) []string {
	var lines []string
	for _, e := range b.entries {
		lines = append(lines, strings.Join(append([]string{endsOf(&e.Distance).String(), kilometres(e.KM), string(e.Class), e.Source}, describe(&e.Distance)), " | "))
	}
	return lines
}

func TestRegistered(t *testing.T) {
	const header = "a,b,km,source,from,until\n"
	before := []string{
		"a–b | 1400 km | B | map | without dates",
		"a–c | 1300 km | C | guess | until 2025-01-01",
		"a–c | 1350 km | A | no. 7 | from 2025-01-01",
	}
	for _, c := range []struct {
		name, text string
		from       mesh.Moment
		results    []Result
		want       []string
	}{
		{"a free pair", header + "b,c,1900.125,no. 1,,\n", "", []Result{Added}, append(before[:3:3], "b–c | 1900.125 km | A | no. 1 | without dates")},
		{"from a date on", "km,b,a\n1500,a,b\n", "2026-01-01", []Result{Replaced},
			[]string{"a–b | 1400 km | B | map | until 2026-01-01", "b–a | 1500 km | A | all | from 2026-01-01", before[1], before[2]}},
		{"the row's date wins, comments and blanks are nothing", "\ufeffa, b, km, from\n# old\n\na, b, 1500, 2026-02-01\n", "2026-01-01", []Result{Replaced},
			[]string{"a–b | 1400 km | B | map | until 2026-02-01", "a–b | 1500 km | A | all | from 2026-02-01", before[1], before[2]}},
		{"a history", header + "a,b,1500,no. 1,2025-01-01,\nb,a,1490,no. 2,2026-01-01,\n", "", []Result{Replaced, Replaced},
			[]string{"a–b | 1400 km | B | map | until 2025-01-01", "a–b | 1500 km | A | no. 1 | from 2025-01-01 until 2026-01-01", "b–a | 1490 km | A | no. 2 | from 2026-01-01", before[1], before[2]}},
		{"what is there already", header + "a,c,1350,no. 7,2026-01-01,\nc,a,1350,no. 7,2025-01-01,\n", "", []Result{Unchanged, Unchanged}, before},
		{"a history that is there already", header + "a,c,1350,no. 7,2025-01-01,\na,c,1360,no. 8,2026-01-01,\na,c,1350,no. 7,2025-01-01,\n", "", []Result{Unchanged, Replaced, Unchanged},
			[]string{before[0], before[1], "a–c | 1350 km | A | no. 7 | from 2025-01-01 until 2026-01-01", "a–c | 1360 km | A | no. 8 | from 2026-01-01"}},
		{"a new number in the register", header + "a,c,1350,no. 8,2026-01-01,\n", "", []Result{Replaced},
			[]string{before[0], before[1], "a–c | 1350 km | A | no. 7 | from 2025-01-01 until 2026-01-01", "a–c | 1350 km | A | no. 8 | from 2026-01-01"}},
		{"before what is there", header + "a,b,1500,no. 1,,2020-01-01\n", "", nil, nil},
		{"between sites", "a,b,km,between\na1,b1,1500,sites\n", "", []Result{Added}, append(before[:3:3], "a1–b1 | 1500 km | A | all | without dates")},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := NewBook(parse(t, clusters+some+tests))
			outcomes, err := ParseRegistered("r.csv", []byte(c.text), Register{Source: "all", From: c.from}, book)
			if c.want == nil {
				if err == nil {
					t.Fatal("it is taken")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var results []Result
			for _, o := range outcomes {
				results = append(results, o.Result)
			}
			if diff := cmp.Diff(c.results, results); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.want, entries(book)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if book.Changed() {
				if _, _, err := Edit("mesh.yaml", book); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestBadRegistered(t *testing.T) {
	long := strings.Repeat("x", maxSource+1)
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "r.csv: is empty; its first row names the columns: a,b,km,source,between,from,until,medium"},
		{"no rows", "a,b,km\n", "r.csv: has no rows below its header"},
		{"semicolons", "a;b;km\n", "r.csv:1: a;b;km: unknown column; allowed, separated by commas: a,b,km,source,between,from,until,medium"},
		{"a column is missing", "a,b\n", "r.csv:1: km: this column is missing; allowed: a,b,km,source,between,from,until,medium"},
		{"a column twice", "a,b,a,km\n", "r.csv:1: a: is given twice; keep one"},
		{"too few fields", "a,b,km,source\nb,c,1900,x\nb,c,1900\n", "r.csv:3: is not valid CSV: wrong number of fields"},
		{"a quote", "a,b,km,source\na,b,1500,\"x\n", "r.csv:2: is not valid CSV: extraneous or missing \" in quoted-field"},
		{"miles", "a,b,km,source\nb,c,1900 km,x\n", `r.csv:2: km: "1900 km" is not a road in kilometres: digits with a point before at most three decimals, such as 1537.25, above 0 and at most 40000`},
		{"a comma", "a,b,km,source\nb,c,\"1,900\",x\n", `r.csv:2: km: "1,900" is not a road in kilometres: digits with a point before at most three decimals, such as 1537.25, above 0 and at most 40000`},
		{"an exponent", "a,b,km,source\nb,c,19e2,x\n", `r.csv:2: km: "19e2" is not a road in kilometres: digits with a point before at most three decimals, such as 1537.25, above 0 and at most 40000`},
		{"below the geodesic", "a,b,km,source\nb,c,1900,x\na,b,999.7,x\n", "r.csv:3: a–b: a road of 999.7 km is shorter than the geodesic of 999.835 km; no road is, so check places and distance"},
		{"no source", "a,b,km,source\nb,c,1900,\n", "r.csv:2: source: is missing; say who registered it: register and number, in the column source or by --source for all rows"},
		{"a source of two lines", "a,b,km,source\nb,c,1900,\"x\ny\"\n", "r.csv:2: source: has to be one line of at most 300 bytes that can be printed"},
		{"a long source", "a,b,km,source\nb,c,1900," + long + "\n", "r.csv:2: source: has to be one line of at most 300 bytes that can be printed"},
		{"an unknown end", "a,b,km,source\nb,d,1900,x\n", `r.csv:2: a, b: "b" and "d" are neither two clusters nor two sites of the mesh`},
		{"a cluster and a site", "a,b,km,source\nb,c1,1900,x\n", `r.csv:2: a, b: "b" and "c1" are neither two clusters nor two sites of the mesh`},
		{"clusters for sites", "a,b,km,source,between\nb,c,1900,x,sites\n", `r.csv:2: a, b: "b" and "c" are not two sites of the mesh`},
		{"between what", "a,b,km,source,between\nb,c,1900,x,cities\n", `r.csv:2: a, b: between is "cities"; allowed: clusters, sites`},
		{"one end", "a,b,km,source\nb,b,1900,x\n", `r.csv:2: a, b: both name "b"; a distance has two different ends`},
		{"a date", "a,b,km,source,from\nb,c,1900,x,1.6.2026\n", `r.csv:2: from: "1.6.2026" is neither a date like 2025-06-01 nor a time like 2025-06-01T00:00:00+08:00`},
		{"dates turned round", "a,b,km,source,from,until\nb,c,1900,x,2026-06-01,2026-01-01\n", "r.csv:2: until 2026-01-01 is not after from, 2026-06-01"},
		{"a medium", "a,b,km,source,medium\nb,c,1900,x,glass\n", `r.csv:2: medium: "glass" is not a medium; allowed: fibre, hollow-core, microwave`},
		{"there already, without a date", "a,b,km,source\na,b,1500,x\n",
			"r.csv:2: a–b: 1400 km of class B, without dates, is there already; give the date from which the other one counts, by --from or a column from"},
		{"begins earlier than what is there", "a,b,km,source,from\na,c,1360,no. 8,2025-01-01\n",
			"r.csv:2: a–c: 1350 km of class A, from 2025-01-01, begins no earlier than 2025-01-01; give a later date, or take that entry out of the mesh first"},
		{"inside of what is there", "a,b,km,source,from,until\na,b,1500,x,2026-01-01,2027-01-01\n",
			"r.csv:2: a–b: 1400 km of class B, without dates, would go on after 2027-01-01; enter what holds then, or leave until out"},
		{"the same road twice", "a,b,km,source\nb,c,1900,x\nc,b,1901,x\n",
			"r.csv:3: c–b: 1900 km of class A, without dates, is there already; give the date from which the other one counts, by --from or a column from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := NewBook(parse(t, clusters+some+tests))
			_, err := ParseRegistered("r.csv", []byte(c.text), Register{}, book)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	_, err := ReadRegistered(filepath.Join(t.TempDir(), "none.csv"), Register{}, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "none.csv: cannot be read: no such file or directory") {
		t.Error(err)
	}
}

// An identifier may name a cluster and a site.
func TestRegisteredAsksWhatAnIdentifierNames(t *testing.T) {
	text := strings.NewReplacer("id: a1", "id: a", "id: b1", "id: b").Replace(clusters + tests)
	for between, want := range map[string]string{
		"": `r.csv:2: a, b: "a" and "b" are both clusters and sites of the mesh; say which in a column between`, "clusters": "", "sites": "",
	} {
		book := NewBook(parse(t, text))
		_, err := ParseRegistered("r.csv", []byte("a,b,km,source,between\na,b,1500,x,"+between+"\n"), Register{}, book)
		if got := errorText(err); got != want {
			t.Errorf("between %q: %s", between, got)
		}
		if err == nil && endsOf(&book.entries[0].Distance).Sites != (between == "sites") {
			t.Errorf("between %q: %v", between, entries(book))
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A routed distance never ends a registered one, whoever asks.
func TestRegisteredStays(t *testing.T) {
	book := NewBook(parse(t, clusters+some+tests))
	_, err := book.Put(between("c", "a", 1400, mesh.ClassB, "map", "2026-01-01"))
	if want := "c–a: 1350 km of class A, from 2025-01-01, is registered, and stays"; errorText(err) != want || book.Changed() {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Over a distance between sites one between their clusters has no say.
func TestHidden(t *testing.T) {
	book := NewBook(parse(t, clusters+"distances:\n  - {sites: [b1, a1], km: 1400, class: B, source: map, until: 2026-01-01}\n"+tests))
	for from, want := range map[mesh.Moment]int{"2025-06-01": 1, "2026-01-01": 0} {
		d := between("a", "b", 1500, mesh.ClassA, "x", from)
		if got := book.Hidden(&d); len(got) != want {
			t.Errorf("from %s: %v", from, got)
		}
	}
}

func FuzzRegistered(f *testing.F) {
	f.Add([]byte("a,b,km,source\na,b,1500,x\n"), "2026-01-01")
	f.Add([]byte("\ufeffa,b,km,from,until,medium,between\nb,c,1900.5,2026-01-01,2027-01-01,microwave,clusters\n# x\n"), "")
	f.Add([]byte("a;b\n\"\n"), "x")
	m := parse(f, clusters+some+tests)
	f.Fuzz(func(t *testing.T, data []byte, from string) {
		book := NewBook(m)
		_, err := ParseRegistered("r.csv", data, Register{Source: "all", From: mesh.Moment(from)}, book)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q is no line", err)
			}
			return
		}
		if !book.Changed() {
			return
		}
		// What is taken makes a mesh.
		if _, _, err := Edit("mesh.yaml", book); err != nil {
			t.Error(err)
		}
	})
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "mesh.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(real, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("mesh.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	err := Replace(real, []byte("old"), []byte("newer"))
	if want := "write the mesh: " + real + " was changed meanwhile; nothing is written, so do it again"; errorText(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	data, err := os.ReadFile(real)
	if err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
	info, err := os.Lstat(real)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
	if err := Replace(filepath.Join(dir, "none.yaml"), nil, nil); err == nil {
		t.Error("a file that is not there is replaced")
	}
}
