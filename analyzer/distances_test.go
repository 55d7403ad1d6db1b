package main

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/distances/osrmtest"
	"github.com/fibergauge/fibergauge/mesh"
)

// roads is a folder with a mesh of three clusters, of which a and b have a
// registered distance.
func roads(t *testing.T) (before string) {
	t.Helper()
	meshFile, _ := stage(t)
	data, err := os.ReadFile(meshFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	before = "# Ours.\n" + string(data) + "  # Others are estimated.\n"
	saveText(t, "mesh.yaml", before)
	return before
}

func saveText(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func loadText(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDistancesFromOSRM(t *testing.T) {
	before := roads(t)
	o := osrmtest.Start(t)
	args := []string{"distances", "--mesh", "mesh.yaml", "--osrm", o.URL, "--pause", "0s", "--map", "A map"}

	diff, stderr, status := run(t.Context(), append(args, "--dry-run")...)
	if status != 0 || stderr != "" || !strings.HasPrefix(diff, "--- mesh.yaml\n+++ mesh.yaml\n@@ ") || strings.Contains(diff, "\n-") || strings.Count(diff, "\n+  - clusters: ") != 2 {
		t.Errorf("--dry-run: status %d, %s\n%s", status, stderr, diff)
	}
	if got := loadText(t, "mesh.yaml"); got != before {
		t.Errorf("--dry-run writes (-want +got):\n%s", cmp.Diff(before, got))
	}

	stdout, stderr, status := run(t.Context(), args...)
	m, err := mesh.Load("mesh.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := `ENDS  CLASS  KM        SHORTEST  FASTEST   × GEODESIC  RESULT
a–b   A      1537.000  –         –         1.54        kept: it is registered
a–c   B      1443.684  1388.158  1443.684  1.30        added
b–c   B      1893.801  1820.963  1893.801  1.30        added

mesh.yaml is written; its version is ` + m.SHA256() + "\n"
	if status != 0 || stderr != "" || stdout != want {
		t.Errorf("status %d, %s\n%s", status, stderr, cmp.Diff(want, stdout))
	}
	after := loadText(t, "mesh.yaml")
	for line := range strings.SplitSeq(strings.TrimSuffix(before, "\n"), "\n") {
		if !strings.Contains(after, line+"\n") {
			t.Errorf("the line %q is gone", line)
		}
	}
	if agent := o.Requests()[0].Header.Get("User-Agent"); !regexp.MustCompile(`^fibergauge-analyzer/\S+ \(\+https://\S+\)$`).MatchString(agent) {
		t.Errorf("User-Agent %q", agent)
	}

	asked := len(o.Requests())
	stdout, _, status = run(t.Context(), args...)
	if status != 0 || !strings.HasSuffix(stdout, "\nmesh.yaml has nothing to change, and is left as it is\n") || len(o.Requests()) != asked || loadText(t, "mesh.yaml") != after {
		t.Errorf("again: status %d, %d requests\n%s", status, len(o.Requests())-asked, stdout)
	}
}

// Whatever ends the conversation, the file is the one from before, or with
// --partial a whole one with what was found.
func TestDistancesCutOff(t *testing.T) {
	before := roads(t)
	o := osrmtest.Start(t)
	ctx := t.Context()
	args := []string{"distances", "--mesh", "mesh.yaml", "--osrm", o.URL, "--pause", "0s"}
	for _, c := range []struct {
		name    string
		instead func(w http.ResponseWriter, stop func())
		want    string
	}{
		{"429", func(w http.ResponseWriter, _ func()) { w.WriteHeader(http.StatusTooManyRequests) },
			"1 of 2 roads are found: b–c: HOST (driving) asks to be left alone (429 Too Many Requests); try again later, with a longer --pause; nothing is written (--partial writes what was found)"},
		{"the network", func(http.ResponseWriter, func()) { panic(http.ErrAbortHandler) },
			"1 of 2 roads are found: b–c: ask HOST (driving): EOF; nothing is written (--partial writes what was found)"},
		{"the user", func(_ http.ResponseWriter, stop func()) { stop(); panic(http.ErrAbortHandler) },
			"1 of 2 roads are found: b–c: ask HOST (driving): interrupted; nothing is written (--partial writes what was found)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			first := len(o.Requests()) + 1
			o.Instead = func(n int, w http.ResponseWriter) bool {
				if n > first {
					c.instead(w, stop)
				}
				return n > first
			}
			stdout, stderr, status := run(ctx, args...)
			stderr = strings.ReplaceAll(stderr, strings.TrimPrefix(o.URL, "http://"), "HOST")
			if status != 1 || stdout != "" || stderr != "fibergauge-analyzer: "+c.want+"\n" {
				t.Errorf("status %d, %s\n%s", status, stderr, stdout)
			}
			if got := loadText(t, "mesh.yaml"); got != before {
				t.Errorf("the file is changed (-want +got):\n%s", cmp.Diff(before, got))
			}
			if left, err := os.ReadDir("."); err != nil || len(left) != 1 {
				t.Errorf("left are %v, %v", left, err)
			}
		})
	}

	first := len(o.Requests()) + 1
	o.Instead = func(n int, w http.ResponseWriter) bool {
		if n > first {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n > first
	}
	stdout, stderr, status := run(ctx, append(args, "--partial")...)
	if status != 1 || !strings.Contains(stdout, "open: not asked\n") || !strings.HasSuffix(stderr, "; what was found is entered, and the same command asks for the rest\n") {
		t.Errorf("--partial: status %d, %s\n%s", status, stderr, stdout)
	}
	if m, err := mesh.Load("mesh.yaml"); err != nil || len(m.Distances) != 2 {
		t.Errorf("%v, %v", m, err)
	}
	o.Instead = nil
	_, stderr, status = run(ctx, args...)
	if m, err := mesh.Load("mesh.yaml"); err != nil || len(m.Distances) != 3 || status != 0 {
		t.Errorf("the rest: status %d, %s, %v, %v", status, stderr, m, err)
	}
}

func TestDistancesOpen(t *testing.T) {
	roads(t)
	o := osrmtest.Start(t)
	o.Code = func(_, b mesh.Location) (string, string) {
		if b.Lat > 40 {
			return "NoRoute", "Impossible route between points"
		}
		return "", ""
	}
	_, stderr, status := run(t.Context(), "distances", "--mesh", "mesh.yaml", "--osrm", o.URL, "--pause", "0s")
	if want := "fibergauge-analyzer: 2 of 3 distances stay open: a–c: the server finds no road: NoRoute: Impossible route between points\n"; status != 1 || stderr != want {
		t.Errorf("status %d, %s", status, stderr)
	}
}

func TestDistancesFromCSV(t *testing.T) {
	before := roads(t)
	saveText(t, "register.csv", "a,b,km,source\nb,a,1500.25,no. 7\na,c,2400,no. 8\n")
	stdout, stderr, status := run(t.Context(), "distances", "--mesh", "mesh.yaml", "--csv", "register.csv", "--from", "2026-01-01")
	m, err := mesh.Load("mesh.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := `ENDS  CLASS  KM        SHORTEST  FASTEST  × GEODESIC  RESULT
b–a   A      1500.250  –         –        1.50        replaces 1537 km of class A from 2026-01-01
a–c   A      2400.000  –         –        2.16        added from 2026-01-01

mesh.yaml is written; its version is ` + m.SHA256() + "\n"
	if status != 0 || stdout != want || !strings.Contains(stderr, "2400 km is more than twice the geodesic of 1110.526 km") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("status %d, %s\n%s", status, stderr, cmp.Diff(want, stdout))
	}
	if got := loadText(t, "mesh.yaml"); !strings.Contains(got, "until: 2026-01-01") || !strings.HasSuffix(got, "  # Others are estimated.\n") {
		t.Errorf("mesh.yaml is\n%s", got)
	}

	saveText(t, "mesh.yaml", before)
	saveText(t, "sites.csv", "a,b,km\nb,c,1900\n")
	saveText(t, "wrong.csv", "a,b,km,source\na,c,1400,no. 1\nb,c,1400,no. 2\n")
	for _, c := range []struct{ args, want string }{
		{"--csv wrong.csv", "wrong.csv:3: b–c: a road of 1400 km is shorter than the geodesic of 1456.77 km; no road is, so check places and distance"},
		{"--csv sites.csv", "sites.csv:2: source: is missing; say who registered it: register and number, in the column source or by --source for all rows"},
		{"--csv register.csv", "register.csv:2: b–a: 1537 km of class A, without dates, is there already; give the date from which the other one counts, by --from or a column from"},
		{"--csv register.csv --from June", `--from: "June" is neither a date like 2025-06-01 nor a time like 2025-06-01T00:00:00+08:00`},
		{"--csv none.csv", "none.csv: cannot be read: no such file or directory"},
		{"--csv register.csv --sites", "--osrm-shortest, --sites and --partial go with --osrm; a CSV file names its ends, and is entered whole or not at all"},
		{"--osrm localhost:5000", `--osrm: "localhost:5000" is not the address of a server; write one like http://127.0.0.1:5000`},
		{"--osrm http://localhost:5000 --source x", "--source goes with --csv; the map of an OSRM server is named by --map"},
		{"--osrm http://localhost:5000 --pause 2h", "--pause 2h0m0s is not within 0s to 1h"},
		{"--osrm http://localhost:5000 --csv register.csv", "--csv and --osrm can't be used together; see fibergauge-analyzer distances --help"},
		{"", "say where the distances are from: --csv FILE for registered ones, --osrm URL for routed ones"},
	} {
		_, stderr, status := run(t.Context(), append([]string{"distances", "--mesh", "mesh.yaml"}, strings.Fields(c.args)...)...)
		if status != 2 || stderr != "fibergauge-analyzer: "+c.want+"\n" {
			t.Errorf("%s: status %d, %s", c.args, status, stderr)
		}
	}
	if got := loadText(t, "mesh.yaml"); got != before {
		t.Errorf("wrong input changes the file (-want +got):\n%s", cmp.Diff(before, got))
	}
}
