// Fibergauge-probe measures the round-trip times from one site to others, as a
// collector assigns them, and delivers what it measured.
//
// Packages in the order of the data: identity says who the probe is, uplink
// fetches the assignment, measure sends the packets, window makes windows of
// them, spool keeps these on disk, uplink delivers them. Package ping measures
// one target for a person; trace finds the routers on the way.
package main

import (
	"os"

	"github.com/fibergauge/fibergauge/internal/cli"
)

const about = `Measures round-trip times from one site to the others and delivers them to a collector.

"ping" measures one target now and needs no set-up; "trace" finds the routers on
the way to it. "run" is the service: it asks the collector what to measure, and
keeps what it measured on disk until the collector has acknowledged it. "reflect"
is a service of its own: it answers the STAMP packets of other probes. "enrol"
gives a probe the identity by which a collector far away believes it. "check"
tells what "run" would do, "doctor" whether this host lets it do that well.

Exit status: 0 done, 1 failed, 2 wrong usage or bad input.`

type grammar struct {
	cli.Globals

	Run     runCommand     `cmd:"" help:"Measure as the collector assigns, until told to stop."`
	Ping    pingCommand    `cmd:"" help:"Measure one target now and show the distribution of its RTTs."`
	Trace   traceCommand   `cmd:"" help:"Find the routers on the way to one target, as the packets of a test go."`
	Reflect reflectCommand `cmd:"" help:"Answer the STAMP packets of others, until told to stop."`
	Enrol   enrolCommand   `cmd:"" help:"Have a collector certify this probe, once, by a token of its operators."`
	Check   checkCommand   `cmd:"" help:"Check the flags, the collector, the sockets and the spool of \"run\", and say what it would do."`
	Spool   spoolCommand   `cmd:"" help:"List, retry or drop what a stopped probe's spool holds."`
	Doctor  doctorCommand  `cmd:"" help:"Find out whether this host lets a probe measure well, and what to do where not."`
}

func main() {
	os.Exit(cli.Main("fibergauge-probe", about, &grammar{}))
}
