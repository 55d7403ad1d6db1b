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

With TLS (--tls-certificate, --tls-key, and --client-ca or --pki) each probe
speaks by a certificate for its own site only, and signs what it sends. Without
TLS the collector listens on a loopback address or a Unix socket only.`

type grammar struct {
	cli.Globals

	Serve serve       `cmd:"" help:"Serve assignments and admit windows, until stopped."`
	Check check       `cmd:"" help:"Check flags, mesh and store, and say what serve would do. Changes nothing."`
	PKI   pkiCommands `cmd:"" name:"pki" help:"A certificate authority for the sites, in a folder."`
	Key   keyCommands `cmd:"" help:"Keys by which sites sign, where the certificates are of an outside authority."`
}

func main() { os.Exit(cli.Main("fibergauge-collector", about, &grammar{})) }
