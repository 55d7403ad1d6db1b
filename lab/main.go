// Command fibergauge-lab plays a whole hub network on one machine: emulated
// long-haul links, real probes, real packets, the real collector and the real
// analyzer.
//
// It reads a mesh and a wan.yaml and leaves windows, logs and the report in one
// folder. lab/README.md documents both the file and the folder.
package main

import (
	"os"

	"github.com/fibergauge/fibergauge/internal/cli"
)

const about = `Plays a whole hub network on one machine: emulated long-haul links, real probes, real packets.

Each site of the mesh becomes a network namespace; the links between them are
emulated as wan.yaml says. The real probe runs in every namespace, the real
collector and the real analyzer beside them, and at the end stands a report.
Its delays are invented: it shows that the programs work, and says nothing
about any real network.

Needs Linux, and root or unprivileged user namespaces with write access to
/dev/net/tun. Only generate, which makes windows without any packet, needs
neither.`

type grammar struct {
	cli.Globals

	Run      runCommand      `cmd:"" help:"Run a mesh over an emulated network for a while, and report."`
	Chaos    chaosCommand    `cmd:"" help:"Run a mesh while things go wrong, by a seed, and account for every window."`
	Generate generateCommand `cmd:"" help:"Put synthetic windows of months or years into a store, without packets and without waiting."`
	Check    checkCommand    `cmd:"" help:"Check the files and the privileges, and say what run would make. Changes nothing."`
}

func main() { os.Exit(cli.Main("fibergauge-lab", about, &grammar{})) }
