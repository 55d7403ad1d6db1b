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
)

// Open opens "sqlite:PATH" or "influx:FILE". What the user can mend by another
// spec, path or file is wrong usage (cli.Usage) or a yamlfile.Error: exit
// status 2.
func Open(ctx context.Context, spec string, log *slog.Logger) (store.Store, error) {
	kind, place, _ := strings.Cut(spec, ":")
	switch {
	case kind != "sqlite" && kind != "influx":
		return nil, cli.Usage(fmt.Errorf("store %q is neither sqlite:PATH nor influx:FILE", spec))
	case place == "":
		return nil, cli.Usage(fmt.Errorf("store %q names no file; give sqlite:PATH or influx:FILE", spec))
	case kind == "influx":
		s, err := influx.Open(place, log)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := sqlite.Open(ctx, place, log)
	if _, ok := errors.AsType[*sqlite.FileError](err); ok {
		return nil, cli.Usage(fmt.Errorf("store %w", err))
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}
