package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/filing"
)

// keys makes a private key and gives it and its public half as files.
func keys(t *testing.T, algorithm string) (private, public string) {
	t.Helper()
	dir := t.TempDir()
	private, public = filepath.Join(dir, "key.pem"), filepath.Join(dir, "key.pub")
	stdout, stderr, status := run(t.Context(), "signing-key", "new", private, "--algorithm", algorithm)
	if status != 0 || !strings.HasPrefix(stdout, "-----BEGIN PUBLIC KEY-----\n") {
		t.Fatalf("status %d, %s%s", status, stdout, stderr)
	}
	if err := os.WriteFile(public, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return private, public
}

func TestSigningKey(t *testing.T) {
	for _, algorithm := range []string{"ed25519", "sm2"} {
		private, public := keys(t, algorithm)
		if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", algorithm, info.Mode(), err)
		}
		of, log, status := run(t.Context(), "signing-key", "show", private)
		ofPublic, logOfPublic, again := run(t.Context(), "signing-key", "show", public)
		if of != ofPublic || status != 0 || again != 0 || !strings.Contains(log, "algorithm="+algorithm+" id=") || log[strings.Index(log, "id="):] != logOfPublic[strings.Index(logOfPublic, "id="):] {
			t.Errorf("%s: status %d and %d, %s%s", algorithm, status, again, log, logOfPublic)
		}
		before, err := os.ReadFile(private)
		if err != nil {
			t.Fatal(err)
		}
		if _, stderr, status := run(t.Context(), "signing-key", "new", private); status != 2 || !strings.Contains(stderr, "never overwritten") {
			t.Errorf("%s: status %d, %s", algorithm, status, stderr)
		}
		if after, err := os.ReadFile(private); err != nil || string(after) != string(before) {
			t.Errorf("%s: the key was overwritten, %v", algorithm, err)
		}
	}
}

// A month that is filed again is a revision only where it says something else.
func TestRevisionsOfAReport(t *testing.T) {
	meshFile, spec := stage(t)
	private, public := keys(t, "sm2")
	folder := filepath.Join(t.TempDir(), "filed")
	args := append([]string{"report", "--mesh", meshFile, "--store", spec, "--format", "all", "--out", folder, "--sign", private}, minute()...)
	good := func(want string, paths ...string) {
		t.Helper()
		stdout, stderr, status := run(t.Context(), append([]string{"verify", "--key", public}, paths...)...)
		if status != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("status %d, %s\n%s", status, stderr, stdout)
		}
	}

	if _, stderr, status := run(t.Context(), append(args, "--reason", "x")...); status != 2 || !strings.Contains(stderr, "holds no report of the period") {
		t.Errorf("a reason for the first: status %d, %s", status, stderr)
	}
	_, stderr, status := run(t.Context(), args...)
	if status != 0 || !strings.Contains(stderr, "revision=1") {
		t.Fatalf("status %d, %s", status, stderr)
	}
	good("revision  1\n", folder)

	_, stderr, status = run(t.Context(), args...)
	if status != 0 || !strings.Contains(stderr, "nothing has changed, so nothing is written") {
		t.Errorf("again: status %d, %s", status, stderr)
	}
	other, _ := keys(t, "ed25519")
	if _, stderr, status := run(t.Context(), append(args, "--sign", other)...); status != 1 || !strings.Contains(stderr, "is not signed by the key of --sign") {
		t.Errorf("again, by another key: status %d, %s", status, stderr)
	}

	policyFile := filepath.Join(t.TempDir(), "policy.yaml")
	text, _, _ := run(t.Context(), "policy", "--print")
	if err := os.WriteFile(policyFile, []byte(strings.Replace(text, "factor: 1.5", "factor: 1.01", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, status = run(t.Context(), append(args, "--policy", policyFile, "--reason", "the factor was wrong")...)
	if status != 0 || !strings.Contains(stderr, "revision=2") {
		t.Fatalf("status %d, %s", status, stderr)
	}
	good("revision  2, in the place of 1\n", folder)
	const stem = "report-20250603T020000Z-to-20250603T020100Z"
	link := filepath.Join(t.TempDir(), "link.html")
	if err := os.Symlink(filepath.Join(folder, stem+".en.html"), link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{filepath.Join(folder, stem+".json"), filepath.Join(folder, stem+"_r02.manifest.json"), filepath.Join(folder, stem+".manifest.json.sig"), link} {
		for _, command := range [][]string{{"report", "--format", "json"}, {"report"}, {"export"}} {
			args := append(append(command, "--mesh", meshFile, "--store", spec, "--out", out), minute()...)
			if _, stderr, status := run(t.Context(), args...); status != 2 || !strings.Contains(stderr, "which is never replaced") {
				t.Errorf("%s over %s: status %d, %s", command, out, status, stderr)
			}
		}
	}
	good("revision  2, in the place of 1\n", folder)
	data, err := os.ReadFile(filepath.Join(folder, stem+"_r02.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r api.Report
	if err := json.Unmarshal(data, &r); err != nil || len(r.Revisions) != 1 {
		t.Fatalf("%v, %+v", err, r.Revisions)
	}
	if one := r.Revisions[0]; one.Reason != "the factor was wrong" || len(one.Causes) != 1 || one.Causes[0].Cause != api.CausePolicy || len(one.Verdicts) != 1 ||
		one.Verdicts[0].Was != api.Compliant || one.Verdicts[0].Is != api.NonCompliant || len(one.Rates) != 1 {
		t.Errorf("%+v", one)
	}

	csv := filepath.Join(folder, stem+"_r02.en.pairs.csv")
	text2, err := os.ReadFile(csv)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(csv, []byte(strings.Replace(string(text2), ",20,", ",21,", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := run(t.Context(), "verify", csv)
	if status != 1 || !strings.Contains(stdout, "Measured RTT (ms): filed 20,") || stderr != "fibergauge-analyzer: the report is not as it was filed and signed: 1 finding\n" {
		t.Errorf("status %d, %s\n%s", status, stderr, stdout)
	}
	stdout, _, status = run(t.Context(), "verify", "--format", "json", csv)
	var result filing.Result
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || status != 1 || result.Good || result.Schema != filing.SchemaVerification || result.Counts[filing.FileChanged] != 1 {
		t.Errorf("status %d, %v, %+v", status, err, result)
	}
	if _, stderr, status := run(t.Context(), args...); status != 2 || !strings.Contains(stderr, "is not as it was filed") {
		t.Errorf("a revision of what was altered: status %d, %s", status, stderr)
	}
}

func TestOneSignedForm(t *testing.T) {
	meshFile, spec := stage(t)
	private, public := keys(t, "ed25519")
	out := filepath.Join(t.TempDir(), "report.json")
	args := append([]string{"report", "--mesh", meshFile, "--store", spec, "--format", "json", "--out", out}, minute()...)
	if _, stderr, status := run(t.Context(), append(args, "--sign", private)...); status != 0 {
		t.Fatal(stderr)
	}
	if stdout, stderr, status := run(t.Context(), "verify", "--key", public, out); status != 0 {
		t.Errorf("status %d, %s%s", status, stderr, stdout)
	}
	if _, stderr, status := run(t.Context(), args...); status != 2 || !strings.Contains(stderr, "which is never replaced") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

func TestFilingRefuses(t *testing.T) {
	meshFile, spec := stage(t)
	private, public := keys(t, "ed25519")
	open, _ := keys(t, "ed25519")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	alone := filepath.Join(dir, "report.pdf")
	if err := os.WriteFile(alone, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	report := append([]string{"report", "--mesh", meshFile, "--store", spec}, minute()...)
	for _, test := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"nothing to verify", []string{"verify"}, 2, "nothing is given to verify; give FILE"},
		{"file and store", []string{"verify", alone, "--store", spec}, 2, "FILE goes without --store"},
		{"file and period", []string{"verify", alone, "--period", "2025-06"}, 2, "FILE goes without --store"},
		{"period without store", []string{"verify", "--period", "2025-06"}, 2, "no store is given"},
		{"key and store", []string{"verify", "--store", spec, "--period", "2025-06", "--key", public}, 2, "--key goes with FILE"},
		{"key that is none", []string{"verify", alone, "--key", alone}, 2, "holds no public key"},
		{"no such file", []string{"verify", alone + "x"}, 2, "there is no such file"},
		{"no manifest", []string{"verify", alone}, 1, "nothing was verified: "},
		{"sign the table", append(report, "--sign", private, "--out", alone), 2, "the table is for terminals"},
		{"sign standard output", append(report, "--sign", private, "--format", "pdf"), 2, "name a file by --out"},
		{"an open key", append(report, "--sign", open, "--format", "pdf", "--out", alone+"2"), 2, "chmod 600"},
		{"no key", append(report, "--sign", public, "--format", "pdf", "--out", alone+"2"), 2, "holds a public key"},
		{"sign over another file", append(report, "--sign", private, "--format", "pdf", "--out", alone), 2, "is there already"},
		{"a reason for one form", append(report, "--reason", "x", "--format", "pdf", "--out", alone), 2, "--reason goes with --format all"},
		{"a reason in two lines", append(report, "--reason", "x\ny", "--format", "all", "--out", dir), 2, "one line"},
		{"algorithm", []string{"signing-key", "new", filepath.Join(dir, "k"), "--algorithm", "rsa"}, 2, "--algorithm must be one of"},
		{"no folder", []string{"signing-key", "new", filepath.Join(dir, "none", "k")}, 2, "there is no such folder; make it, or name another"},
		{"a byte order mark in what is no CSV", append(report, "--bom", "--format", "pdf", "--out", alone+"2"), 2, "--bom: pdf has no byte order mark"},
		{"a period to come", []string{"report", "--mesh", meshFile, "--store", spec, "--period", "2199-06", "--format", "all", "--out", dir}, 2, "has not begun"},
	} {
		if _, stderr, status := run(t.Context(), test.args...); status != test.status || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: status %d, %s", test.name, status, stderr)
		}
	}
	if data, err := os.ReadFile(alone); err != nil || string(data) != "x" {
		t.Errorf("it was overwritten: %v", err)
	}
}
