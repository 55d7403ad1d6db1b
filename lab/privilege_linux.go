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
	out := run.Output{Results: env.Stdout, Log: env.Log}
	if stderr, ok := env.Stderr.(*os.File); ok && term.IsTerminal(int(stderr.Fd())) {
		out.Progress = stderr
	}
	err = run.Run(ctx, plan, out)
	if errors.Is(err, context.Canceled) {
		return errors.New("stopped before there was anything to report")
	}
	return err
}
