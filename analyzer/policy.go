package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/internal/cli"
)

type policyCommand struct {
	Print  bool     `help:"Print the default policy: the bytes whose SHA-256 names it."`
	Policy string   `placeholder:"FILE" help:"Check this policy instead."`
	Diff   bool     `help:"Show in which fields two policies differ, with what each field is; exit status 1 if in any."`
	Files  []string `arg:"" optional:"" name:"file" help:"With --diff: the two policies; one alone is compared with the default."`
}

// Run prints the default policy, compares two, or says which version one is.
func (c *policyCommand) Run(_ context.Context, env *cli.Env) error {
	if err := c.usage(); err != nil {
		return cli.Usage(err)
	}
	if c.Print {
		_, err := env.Stdout.Write(policy.DefaultBytes())
		return err
	}
	if c.Diff {
		return c.diff(env)
	}
	p := policy.Default()
	if c.Policy != "" {
		var err error
		if p, err = policy.Load(c.Policy); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(env.Stdout, "policy %s is good; its version is %s\n", p.Name, p.SHA256())
	return err
}

func (c *policyCommand) usage() error {
	switch {
	case c.Diff && (c.Print || c.Policy != ""):
		return errors.New("--diff names its policies after it, as in policy --diff A B; leave out --print and --policy")
	case c.Diff && (len(c.Files) == 0 || len(c.Files) > 2):
		return fmt.Errorf("--diff compares two policies, or one with the default; %d are given", len(c.Files))
	case !c.Diff && len(c.Files) > 0:
		return fmt.Errorf("%s: say what to do with it: --policy %[1]s checks it, --diff %[1]s compares it with the default", c.Files[0])
	case c.Print && c.Policy != "":
		return fmt.Errorf("--print shows the default policy; leave out --policy %s", c.Policy)
	}
	return nil
}

// diff has the exit status of the program diff: 0 for no difference, 1 for
// some, 2 for policies that cannot be read.
func (c *policyCommand) diff(env *cli.Env) error {
	names, sides := []string{"the default"}, []*policy.Policy{policy.Default()}
	for _, file := range c.Files {
		p, err := policy.Load(file)
		if err != nil {
			return err
		}
		names, sides = append(names, file), append(sides, p)
	}
	names, sides = names[len(names)-2:], sides[len(sides)-2:]
	differences := policy.Diff(sides[0], sides[1])
	if err := writeDifferences(env.Stdout, names, sides, differences); err != nil {
		return fmt.Errorf("print the differences: %w", err)
	}
	switch len(differences) {
	case 0:
		return nil
	case 1:
		return cli.Exit(cli.StatusFailed, errors.New("the policies differ in 1 field"))
	}
	return cli.Exit(cli.StatusFailed, fmt.Errorf("the policies differ in %d fields", len(differences)))
}

func writeDifferences(w io.Writer, names []string, sides []*policy.Policy, differences []policy.Difference) error {
	text := ""
	for i, mark := range []string{"-", "+"} {
		text += fmt.Sprintf("%s %s: policy %s, version %s\n", mark, names[i], sides[i].Name, sides[i].SHA256())
	}
	for _, d := range differences {
		text += "\n" + d.Field + "\n"
		for _, line := range d.Doc {
			text += "    # " + line + "\n"
		}
		text += fmt.Sprintf("  - %s\n  + %s\n", given(d.A), given(d.B))
	}
	if len(differences) == 0 && sides[0].SHA256() != sides[1].SHA256() {
		text += "\nNo field differs: they judge alike, and are told apart only by how they are written.\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

func given(value string) string {
	if value == "" {
		return "(not given)"
	}
	return value
}
