package endtoend

import (
	"bufio"
	"bytes"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCollectorGoesAway accounts for every window of a run in which the
// collector is away for 20 s and is killed while it writes: what the probes
// made is what is stored, each once and unchanged.
func TestCollectorGoesAway(t *testing.T) {
	// Windows of a second keep the collector writing all the time.
	mesh := strings.Replace(string(read(t, repository+"/mesh/national.yaml")), "window_s: 60", "window_s: 1", 1)
	wan := string(read(t, repository+"/lab/national-wan.yaml")) + `
collector:
  - {at: 3s, for: 20s, how: stop}
  - {at: 25s, for: 1s, how: kill}
  - {at: 27s, for: 1s, how: kill}
  - {at: 29s, for: 2s, how: kill}
  - {at: 33s, for: 1s, how: kill}
`
	r := runLab(t, mesh, wan, 36*time.Second, "--probe-log-level", "debug")

	made := madeWindows(t, r)
	stored := map[string]string{}
	for _, record := range records(t, r) {
		key := record.Window.Key.String()
		if len(record.Conflicts) > 0 {
			t.Errorf("%s is stored in %d forms", key, 1+len(record.Conflicts))
		}
		if _, twice := stored[key]; twice {
			t.Errorf("%s is stored twice", key)
		}
		stored[key] = record.Window.Digest().String()
	}
	if len(made) < 90*30 {
		t.Errorf("only %d windows were made by 90 links in 36 s", len(made))
	}
	if diff := cmp.Diff(made, stored); diff != "" {
		t.Errorf("made %d, stored %d windows (-made +stored):\n%s", len(made), len(stored), diff)
	}
	t.Logf("%d windows made, all stored", len(made))
}

// madeWindows reads from the logs of the probes which windows they made.
func madeWindows(t *testing.T, r *run) map[string]string {
	t.Helper()
	line := regexp.MustCompile(`msg="window made" key=(\S+) digest=([0-9a-f]{64})`)
	logs, err := filepath.Glob(filepath.Join(r.dir, "logs", "probe-*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs of probes: %v", err)
	}
	made := map[string]string{}
	for _, log := range logs {
		for scanner := bufio.NewScanner(bytes.NewReader(read(t, log))); scanner.Scan(); {
			if m := line.FindStringSubmatch(scanner.Text()); m != nil {
				key := strings.Trim(m[1], `"`)
				if made[key] != "" {
					t.Errorf("%s was made twice", key)
				}
				made[key] = m[2]
			}
		}
	}
	if len(made) == 0 {
		t.Fatalf("the logs speak of no window: %v", slices.Collect(maps.Keys(made)))
	}
	return made
}
