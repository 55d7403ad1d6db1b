package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/policy"
)

func TestPolicyDiff(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, old, with string) {
		text := strings.Replace(string(policy.DefaultBytes()), old, with, 1)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("same.yaml", "", "")
	write("spelt.yaml", "factor: 1.5 ", "factor: 1.50 ")
	write("strict.yaml", "factor: 1.5 ", "factor: 1.4 ")
	write("wrong.yaml", "factor: 1.5 ", "factor: much ")
	const factor = `
theory.factor
    # "a latency no higher than 1.5x the theoretical latency"
`
	for _, c := range []struct {
		args   string
		status int
		stdout string // versions written V
		stderr string
	}{
		{"same.yaml", 0, "- the default: policy default, version V\n+ same.yaml: policy default, version V\n", ""},
		{"spelt.yaml same.yaml", 0, "- spelt.yaml: policy default, version V\n+ same.yaml: policy default, version V\n" +
			"\nNo field differs: they judge alike, and are told apart only by how they are written.\n", ""},
		{"strict.yaml", 1, "- the default: policy default, version V\n+ strict.yaml: policy default, version V\n" + factor + "  - 1.5\n  + 1.4\n",
			"fibergauge-analyzer: the policies differ in 1 field\n"},
		{"strict.yaml spelt.yaml", 1, "- strict.yaml: policy default, version V\n+ spelt.yaml: policy default, version V\n" + factor + "  - 1.4\n  + 1.50\n",
			"fibergauge-analyzer: the policies differ in 1 field\n"},
		{"same.yaml wrong.yaml", 2, "", `fibergauge-analyzer: wrong.yaml:20: theory.factor: "much" is not a decimal number such as 1.468` + "\n"},
		{"none.yaml", 2, "", "fibergauge-analyzer: none.yaml: cannot be read: no such file or directory\n"},
		{"", 2, "", "fibergauge-analyzer: --diff compares two policies, or one with the default; 0 are given\n"},
		{"same.yaml --print", 2, "", "fibergauge-analyzer: --diff names its policies after it, as in policy --diff A B; leave out --print and --policy\n"},
	} {
		t.Run(c.args, func(t *testing.T) {
			stdout, stderr, status := run(t.Context(), append([]string{"policy", "--diff"}, strings.Fields(c.args)...)...)
			stdout = regexp.MustCompile(`\b[0-9a-f]{64}\b`).ReplaceAllString(stdout, "V")
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			if diff := cmp.Diff([]string{c.stdout, c.stderr}, []string{stdout, stderr}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	_, stderr, status := run(t.Context(), "policy", filepath.Base("same.yaml"))
	if want := "fibergauge-analyzer: same.yaml: say what to do with it: --policy same.yaml checks it, --diff same.yaml compares it with the default\n"; status != 2 || stderr != want {
		t.Errorf("status %d, %s", status, stderr)
	}
}
