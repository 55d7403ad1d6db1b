// Package open turns what users write after --store into a store: the one
// place that knows all implementations.
package open

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/influx"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// Reader opens "sqlite:PATH" or "influx:FILE" to read. What the user can mend
// by another spec, path or file is wrong usage (cli.Usage) or a yamlfile.Error:
// exit status 2.
func Reader(ctx context.Context, spec string, log *slog.Logger) (store.Reader, error) {
	kind, place, err := parse(spec)
	if err != nil {
		return nil, err
	}
	if kind == "influx" {
		return opened[store.Reader](influx.OpenReader(place, log))
	}
	return opened[store.Reader](sqlite.OpenReader(ctx, place))
}

// Writer opens the same to write and read. An SQLite file is made where it is
// missing; InfluxDB's configuration has to hold the collectors' secret.
func Writer(ctx context.Context, spec string, log *slog.Logger) (store.Store, error) {
	kind, place, err := parse(spec)
	if err != nil {
		return nil, err
	}
	if kind == "influx" {
		return opened[store.Store](influx.Open(place, log))
	}
	return opened[store.Store](sqlite.Open(ctx, place, log))
}

func parse(spec string) (kind, place string, err error) {
	kind, place, _ = strings.Cut(spec, ":")
	switch {
	case kind != "sqlite" && kind != "influx":
		err = cli.Usage(fmt.Errorf("store %q is neither sqlite:PATH nor influx:FILE", spec))
	case place == "":
		err = cli.Usage(fmt.Errorf("store %q names no file; give sqlite:PATH or influx:FILE", spec))
	}
	return kind, place, err
}

// opened gives no store beside an error, and the error as the user meets it.
func opened[S store.Reader](s S, err error) (S, error) {
	var none S
	if _, ok := errors.AsType[*sqlite.FileError](err); ok {
		return none, cli.Usage(fmt.Errorf("store %w", err))
	}
	if _, ok := errors.AsType[*yamlfile.Error](err); ok {
		return none, err
	}
	if err != nil {
		return none, fmt.Errorf("store: %w", err)
	}
	return s, nil
}
