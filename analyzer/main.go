// Fibergauge-analyzer says which pairs of clusters comply: it reads windows
// from the store, judges them by mesh and policy, and prints or serves the
// report.
package main

import (
	"os"
	"runtime/debug"

	"github.com/fibergauge/fibergauge/internal/cli"
)

const about = `Says which pairs of data-centre clusters have a latency of at most 1.5 times
the theoretical one, what share of them does, and whether that meets the target.

Reads the windows that collectors stored, and changes nothing there; import
adds to them.`

type grammar struct {
	cli.Globals

	Report  reportCommand  `cmd:"" help:"Judge a period and print the result as a table or as JSON."`
	Serve   serveCommand   `cmd:"" help:"Serve reports, series and windows over HTTP, to each reader what their role allows."`
	Readers readersCommand `cmd:"" help:"Say who may ask serve --readers: add, list, revoke."`
	Verify  verifyCommand  `cmd:"" help:"Check a filed report against its signed manifest, or what is stored of a period against what the sites stated and signed."`
	Import  importCommand  `cmd:"" help:"Put measurements made elsewhere into the store: RIPE Atlas, CSV."`
	Export  exportCommand  `cmd:"" help:"Write the windows of a period, or every packet, as CSV or Parquet."`
	Check   checkCommand   `cmd:"" help:"Check mesh, policy and store, and say what would be judged."`
	Policy  policyCommand  `cmd:"" help:"Print the default policy, check one, or compare two."`

	SigningKey signingKeyCommand `cmd:"" help:"Make the key that signs filed reports, or show its public half."`
	Distances  distancesCommand  `cmd:"" help:"Fill the distances of a mesh: registered ones from CSV, routed ones from an OSRM server."`
}

// gcPercent trades memory for time: what a report keeps is some sixty megabytes
// over a month of a country, and what it drops on the way four thousand.
const gcPercent = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(cli.Main("fibergauge-analyzer", about, &grammar{}))
}
