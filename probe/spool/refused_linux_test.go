package spool

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRefusalIsNoDamage: where the system does not let the file be mapped, the
// windows in it are not moved aside.
func TestRefusalIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir, roomy)
	put(t, s, windows(0, 10))
	s.Close()
	// Longer than the room for maps; bbolt does not mind what follows its pages.
	if err := os.Truncate(filepath.Join(dir, fileName), 1<<40); err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &before); err != nil {
		t.Fatal(err)
	}
	if raceEnabled {
		t.Skip("SKIPPED under -race: the detector's own maps are beyond any limit; run it without -race")
	}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: 64 << 30, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, roomy, slog.New(slog.DiscardHandler))
	if restored := unix.Setrlimit(unix.RLIMIT_AS, &before); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, unix.ENOMEM) {
		t.Errorf("got %v; want %v", err, unix.ENOMEM)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0].Name() != fileName {
		t.Errorf("the folder holds %v; want %s alone", files, fileName)
	}
}
