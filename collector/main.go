// Command fibergauge-collector tells probes what to measure, admits the windows
// that they send and has them stored.
//
// It reads the mesh from a file and answers probes over HTTP (package api);
// windows go to the store that --store names. It keeps nothing itself: several
// collectors may run on one store.
package main

import (
	"os"

	"github.com/fibergauge/fibergauge/internal/cli"
)

const about = `Tells probes what to measure, admits the windows that they send and has them stored.

A window is acknowledged only after the store has confirmed it. The mesh file
is followed: a change is served within seconds, a bad file is reported and the
version before it stays. SIGHUP looks at once; SIGTERM finishes what is in
hand and stops.

Without TLS the collector listens on a loopback address or a Unix socket only.`

type grammar struct {
	cli.Globals

	Serve serve `cmd:"" help:"Serve assignments and admit windows, until stopped."`
	Check check `cmd:"" help:"Check flags, mesh and store, and say what serve would do. Changes nothing."`
}

func main() { os.Exit(cli.Main("fibergauge-collector", about, &grammar{})) }
