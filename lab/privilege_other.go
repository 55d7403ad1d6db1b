//go:build !linux

package main

import (
	"context"
	"errors"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/lab/run"
)

var errLinux = errors.New("run needs Linux, for its network namespaces; the probe, the collector and the analyzer work here")

func privilege() (string, error) { return "", errLinux }

func perform(context.Context, *cli.Env, run.Plan) error { return errLinux }

func performChaos(context.Context, *cli.Env, run.ChaosPlan) error { return errLinux }
