package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/lab/namespace"
	"github.com/fibergauge/fibergauge/lab/run"
)

// privilege says what lets the lab work on this machine.
func privilege() (string, error) {
	how, err := namespace.Check()
	return string(how), err
}

// perform carries a plan out where namespaces can be made: here, or in a second
// self of the program inside a user namespace.
func perform(ctx context.Context, env *cli.Env, plan run.Plan) error {
	how, err := namespace.Check()
	if err != nil {
		return err
	}
	if how == namespace.UserNamespace && !namespace.Inside() {
		status, err := namespace.Reexec(ctx.Done())
		if err == nil && status != cli.StatusDone {
			os.Exit(status) // the second self has said why
		}
		return err
	}
	err = run.Run(ctx, plan, output(env))
	if errors.Is(err, context.Canceled) {
		return errors.New("stopped before there was anything to report")
	}
	return err
}

// performChaos is perform for a chaos run, which always needs a second self:
// its mounts are to be seen by nobody else.
func performChaos(ctx context.Context, env *cli.Env, plan run.ChaosPlan) error {
	if !namespace.OwnMounts() {
		how, err := namespace.Check()
		if err != nil {
			return err
		}
		status, err := namespace.ReexecOwnMounts(how, ctx.Done())
		if err == nil && status != cli.StatusDone {
			os.Exit(status) // the second self has said why
		}
		return err
	}
	return run.PlayChaos(ctx, plan, output(env))
}

// output is where a run shows what it does.
func output(env *cli.Env) run.Output {
	out := run.Output{Results: env.Stdout, Log: env.Log}
	if stderr, ok := env.Stderr.(*os.File); ok && term.IsTerminal(int(stderr.Fd())) {
		out.Progress = stderr
	}
	return out
}
