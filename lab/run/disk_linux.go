package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// diskBytes is the size of the disk under a spool in a chaos run.
const diskBytes = 12 << 20

// disk is a small file system of its own under the spool of a probe, in
// memory. A full one refuses as any other does (ENOSPC); what a power cut would
// do to a disk it cannot show.
type disk struct{ folder string }

// mountDisk needs the lab to have its mounts for itself.
func mountDisk(folder string) (*disk, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make a small disk: %w", err)
	}
	if err := unix.Mount("spool", folder, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("size=%d,mode=0700", diskBytes)); err != nil {
		return nil, fmt.Errorf("make a small disk at %s: %w", folder, err)
	}
	return &disk{folder}, nil
}

// filler takes the room away that is left.
func (d *disk) filler() string { return filepath.Join(d.folder, "filler") }

// fill writes until nothing more fits.
func (d *disk) fill() error {
	file, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		if errors.Is(err, unix.ENOSPC) {
			return nil
		}
		return fmt.Errorf("fill a disk: %w", err)
	}
	defer file.Close() // what is in it does not matter
	for chunk := make([]byte, 64<<10); len(chunk) >= 1<<12; {
		if _, err := file.Write(chunk); errors.Is(err, unix.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return fmt.Errorf("fill a disk: %w", err)
		}
	}
	return nil
}

// clear gives the room back.
func (d *disk) clear() error {
	if err := os.Remove(d.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("clear a disk: %w", err)
	}
	return nil
}

// unmount lets the disk go and leaves what was on it in the folder.
func (d *disk) unmount() error {
	if err := d.clear(); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.folder)
	if err != nil {
		return fmt.Errorf("take a disk away: %w", err)
	}
	kept := map[string][]byte{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(d.folder, entry.Name()))
		if err != nil {
			return fmt.Errorf("take a disk away: %w", err)
		}
		kept[entry.Name()] = data
	}
	if err := unix.Unmount(d.folder, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("take the disk at %s away: %w", d.folder, err)
	}
	for name, data := range kept {
		if err := os.WriteFile(filepath.Join(d.folder, name), data, 0o600); err != nil {
			return fmt.Errorf("take a disk away: %w", err)
		}
	}
	return nil
}
