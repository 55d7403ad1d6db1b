package main

import (
	"database/sql"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/verify"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/mesh"
)

func TestVerifyCommand(t *testing.T) {
	meshFile, spec := stage(t)
	file := strings.TrimPrefix(spec, "sqlite:")
	args := append([]string{"verify", "--mesh", meshFile, "--store", spec}, minute()...)

	stdout, stderr, status := run(t.Context(), args...)
	if status != 1 || !strings.Contains(stdout, "\nmesh_missing: mesh ") || stderr != "fibergauge-analyzer: the store is not as it was stated: 1 finding\n" {
		t.Errorf("without an archived mesh: status %d, %s\n%s", status, stderr, stdout)
	}

	m, err := mesh.Load(meshFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutMesh(t.Context(), store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: time.UnixMilli(1)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status = run(t.Context(), args...)
	if status != 0 || stderr != "" || !strings.HasSuffix(stdout, "\ngood: 0 of 2 windows signed, and nothing contradicts the journal\n") {
		t.Errorf("status %d, %s\n%s", status, stderr, stdout)
	}

	stdout, stderr, status = run(t.Context(), "verify", "--mesh", meshFile, "--store", spec, "--period", "2001-06")
	const none = "the store has no window of this period; see whether it is the right period and store\n"
	if status != 1 || stderr != "fibergauge-analyzer: nothing was verified: "+none || !strings.HasSuffix(stdout, "\nnothing_to_verify: "+none+"findings: 1 nothing_to_verify\n") {
		t.Errorf("a period without windows: status %d, %s\n%s", status, stderr, stdout)
	}
	stdout, _, status = run(t.Context(), "verify", "--mesh", meshFile, "--store", spec, "--period", "2001-06", "--format", "json")
	var empty verify.Result
	if err := json.Unmarshal([]byte(stdout), &empty); err != nil || status != 1 || empty.Good {
		t.Errorf("a period without windows: status %d, good is %v, %v", status, empty.Good, err)
	}
	if diff := cmp.Diff([]verify.Finding{{Code: verify.NothingToVerify}}, empty.Findings); diff != "" {
		t.Errorf("a period without windows (-want +got):\n%s", diff)
	}

	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("DELETE FROM windows WHERE link = 1"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status = run(t.Context(), append(args, "--format", "json")...)
	var r verify.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 1 {
		t.Fatalf("status %d, %v, %s", status, err, stderr)
	}
	if diff := cmp.Diff(map[string]int{verify.WindowLost: 1}, r.Counts); diff != "" || r.Schema != verify.SchemaVerification || r.Good || r.Total.Windows != 1 {
		t.Errorf("result is %+v", r)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the store was changed, %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	meshFile, spec := stage(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no period": {[]string{"--mesh", meshFile, "--store", spec}, "no period is given"},
		"no mesh":   {[]string{"--store", spec, "--period", "2025-06"}, "--mesh FILE"},
		"no store":  {[]string{"--mesh", meshFile, "--store", spec + "x", "--period", "2025-06"}, "there is no such file"},
		"form":      {[]string{"--mesh", meshFile, "--store", spec, "--period", "2025-06", "--format", "xml"}, "--format must be one of"},
	} {
		stdout, stderr, status := run(t.Context(), append([]string{"verify"}, test.args...)...)
		if status != 2 || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: status %d, %q, %q", name, status, stdout, stderr)
		}
	}
}
