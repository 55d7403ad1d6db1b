package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/internal/cli"
)

// marker is the file by which the lab knows a folder as its own.
const marker = ".fibergauge-lab"

const markerText = "This folder was made by fibergauge-lab, whose next run into it empties it first.\nThe delays in it are emulated.\n"

// folder is the output folder of a run.
type folder struct{ path string }

// findFolder names the folder. Nothing is made yet.
func findFolder(path string) (folder, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return folder{}, fmt.Errorf("find the output folder: %w", err)
	}
	return folder{abs}, nil
}

// prepare makes the folder, or empties one of an earlier run. Any other folder
// that holds something is refused: it might be somebody's.
func (f folder) prepare() error {
	entries, err := os.ReadDir(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return cli.Usage(fmt.Errorf("--out %s cannot be used: %w; choose another folder", f.path, err))
	case len(entries) > 0:
		if info, err := os.Lstat(f.file(marker)); err != nil || !info.Mode().IsRegular() {
			return cli.Usage(fmt.Errorf("--out %s holds something that no lab made; choose another folder or empty it yourself", f.path))
		}
	}
	for _, entry := range entries {
		if entry.Name() == marker {
			continue
		}
		if err := os.RemoveAll(f.file(entry.Name())); err != nil {
			return fmt.Errorf("empty the output folder: %w", err)
		}
	}
	for _, sub := range []string{"logs", "spools"} {
		if err := os.MkdirAll(f.file(sub), 0o755); err != nil {
			return fmt.Errorf("make the output folder: %w", err)
		}
	}
	return f.write(marker, []byte(markerText))
}

// file is the absolute path of something in the folder.
func (f folder) file(name string) string { return filepath.Join(f.path, name) }

func (f folder) write(name string, data []byte) error {
	if err := os.WriteFile(f.file(name), data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
