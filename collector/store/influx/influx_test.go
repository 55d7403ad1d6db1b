package influx_test

import (
	"log/slog"
	"testing"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/influx"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
)

func TestConformance(t *testing.T) {
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			server := influxtest.Start(t, series)
			conformance.Run(t, func(t *testing.T) conformance.Place {
				file := server.NewBucket(t)
				return conformance.Place{
					Open: func(t *testing.T) store.Store { return open(t, file) },
					Away: func(t *testing.T) func() {
						server.Kill()
						return func() { server.Restart(t) }
					},
				}
			})
		})
	}
}

func open(t testing.TB, file string) *influx.Store {
	t.Helper()
	s, err := influx.Open(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}
