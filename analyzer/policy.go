package main

import (
	"context"
	"fmt"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/internal/cli"
)

type policyCommand struct {
	Print  bool   `help:"Print the default policy: the bytes whose SHA-256 names it."`
	Policy string `placeholder:"FILE" help:"Check this policy instead."`
}

// Run prints the default policy, or says which version a policy is.
func (c *policyCommand) Run(_ context.Context, env *cli.Env) error {
	if c.Print {
		if c.Policy != "" {
			return cli.Usage(fmt.Errorf("--print shows the default policy; leave out --policy %s", c.Policy))
		}
		_, err := env.Stdout.Write(policy.DefaultBytes())
		return err
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
