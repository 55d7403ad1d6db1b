package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
)

// A day that somebody else summed up by quarters of an hour is imported and
// judged, as far as its minimum, mean and maximum go. The limit is 22.578 ms.
func TestImportThenReport(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical reflector"}, nil)
	for _, c := range []struct {
		// The second: the 855th of 900 is as short as can be if the 45 longer ones
		// have 30 ms: (900 × 23.099 − 45 × 30 − 22.6) / 854 ms.
		row    string // min, mean, max in ms, sent, received
		counts bool   // sent and received are given
		want   api.Verdict
		says   []string
	}{
		{"18.5,19.5,22.5,900,899", true, api.Compliant, []string{"≤22.500", "only min, mean, max are known: p95 lies between 19.346 and 22.5 ms"}},
		{"22.6,23.1,30.0,900,900", true, api.NonCompliant, []string{"≥22.736", "p95 lies between 22.736 and 30 ms"}},
		{"18.5,22.0,30.0,900,900", true, api.NotDemonstrated, []string{"p95 lies between 21.582 and 30 ms, on both sides of the limit"}},
		{"18.5,19.5,22.5,900,899", false, api.NotDemonstrated, []string{"do not say of how many packets"}},
	} {
		dir := t.TempDir()
		meshFile, spec := put(t, dir, "mesh.yaml", string(m.Bytes())), "sqlite:"+filepath.Join(dir, "store.sqlite")
		table := "at,from,to,least_ms,mean_ms,most_ms,sent,received\n"
		for at := time.Date(2025, 6, 3, 0, 0, 0, 0, time.UTC); at.Day() == 3; at = at.Add(15 * time.Minute) {
			table += fmt.Sprintf("%s,a1,b1,%s\n", at.Format(time.RFC3339), c.row)
		}
		args := []string{
			"import", "csv", "--mesh", meshFile, "--store", spec, "--src", "from", "--dst", "to", "--time", "at",
			"--min", "least_ms", "--mean", "mean_ms", "--max", "most_ms",
		}
		if c.counts {
			args = append(args, "--sent", "sent", "--received", "received")
		}
		if out, stderr, status := run(t.Context(), append(args, put(t, dir, "sums.csv", table))...); status != 0 {
			t.Fatalf("%d\n%s%s", status, out, stderr)
		}
		ask := []string{"report", "--mesh", meshFile, "--store", spec, "--period", "2025-06-03", "--cache", filepath.Join(dir, "cache")}
		out, stderr, status := run(t.Context(), append(ask, "--format", "json")...)
		var r api.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%d %s %v", status, stderr, err)
		}
		if got := r.Pairs[0].Verdict; got != c.want {
			t.Errorf("%s: %s, want %s: %v", c.row, got, c.want, r.Pairs[0].Reasons)
		}
		// The second time from day records.
		out, stderr, status = run(t.Context(), ask...)
		text := strings.Join(strings.Fields(out), " ")
		for _, says := range c.says {
			if !strings.Contains(text, says) {
				t.Errorf("%s: %d %s, without %q:\n%s", c.row, status, stderr, says, out)
			}
		}
	}
}
