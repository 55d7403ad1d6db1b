package run

import (
	"io"
	"log/slog"
	"time"
)

// Plan says what to run. The zero value of an optional field means its
// default.
type Plan struct {
	MeshFile, WANFile string
	For               time.Duration // measured, once every probe is under way
	Out               string        // folder
	Store             string        // "sqlite" (default): a file in Out; or "influx:FILE"
	Bin               string        // folder of the programs; the lab's own by default
	Serve             bool          // leave the analyzer serving until the context ends
	ProbeLogLevel     string        // "info" by default
	History           int           // months of a generated history behind the run; 0 for none
}

// Output is where a run shows what it does.
type Output struct {
	Results  io.Writer    // the table
	Progress io.Writer    // one changing line; nil for none
	Log      *slog.Logger //
}
