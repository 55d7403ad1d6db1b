package run

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/internal/cli"
)

// programs are the paths of the binaries that a run starts.
type programs struct{ probe, collector, analyzer string }

// findPrograms looks in a folder, by default in that of the lab's own program.
// all asks for the analyzer too.
func findPrograms(folder string, all bool) (programs, error) {
	if folder == "" {
		self, err := os.Executable()
		if err != nil {
			return programs{}, fmt.Errorf("find the lab's own program: %w", err)
		}
		folder = filepath.Dir(self)
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return programs{}, fmt.Errorf("find the programs: %w", err)
	}
	p := programs{
		probe:     filepath.Join(folder, "fibergauge-probe"),
		collector: filepath.Join(folder, "fibergauge-collector"),
		analyzer:  filepath.Join(folder, "fibergauge-analyzer"),
	}
	needed := []string{p.probe, p.collector}
	if all {
		needed = append(needed, p.analyzer)
	}
	for _, path := range needed {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return p, cli.Usage(fmt.Errorf("%s is not a program; build all four with `make build`, or say with --bin where they are", path))
		}
	}
	return p, nil
}
