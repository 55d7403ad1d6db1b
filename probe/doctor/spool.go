package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// leastFree is the space below which a spool cannot do its work.
const leastFree = 64 << 20

// Spool looks whether windows can be kept in the folder, and how many. free
// gives the bytes that an ordinary process may still take where a folder is.
func Spool(dir string, most int64, free func(dir string) (int64, error)) Check {
	return func(context.Context) []Finding {
		if dir == "" {
			return []Finding{notAsked("spool", "", "not asked: --spool is absent")}
		}
		folder, used, writes := spoolFolder(dir)
		return []Finding{writes, spoolDisk(folder, used, most, free)}
	}
}

// spoolFolder finds whether the folder can be written, where it would be made
// if it is missing, and how large the spool's file is.
func spoolFolder(dir string) (existing string, used int64, f Finding) {
	existing = dir
	if abs, err := filepath.Abs(dir); err == nil {
		existing = abs
	}
	for {
		info, err := os.Stat(existing)
		if err == nil && !info.IsDir() {
			return existing, 0, found("spool", "", "%s is not a folder", existing).but(StatusFailed, "give --spool a folder that can be written")
		}
		if err == nil || filepath.Dir(existing) == existing || !errors.Is(err, fs.ErrNotExist) {
			break
		}
		existing = filepath.Dir(existing)
	}
	trial, err := os.CreateTemp(existing, ".fibergauge-doctor-*")
	if err != nil {
		var plain *fs.PathError
		if errors.As(err, &plain) {
			err = plain.Err // without the name that was tried
		}
		return existing, 0, found("spool", "", "%s cannot be written: %v", dir, err).
			but(StatusFailed, "give --spool a folder that can be written, or run this as the user of the service")
	}
	_, err = trial.Write([]byte("x"))
	err = errors.Join(err, trial.Sync(), trial.Close(), os.Remove(trial.Name()))
	if err != nil {
		return existing, 0, found("spool", "", "%s cannot be written: %v", dir, err).but(StatusFailed, "make room, or give --spool another disk")
	}
	if info, err := os.Stat(filepath.Join(dir, "spool.db")); err == nil {
		used = info.Size()
	}
	if existing != filepath.Clean(dir) && used == 0 {
		if _, err := os.Stat(dir); err != nil {
			return existing, 0, found("spool", "", "%s is not there yet and can be made", dir)
		}
	}
	return existing, used, found("spool", "", "%s can be written", dir).with("used_bytes", used)
}

func spoolDisk(folder string, used, most int64, free func(string) (int64, error)) Finding {
	left, err := free(folder)
	if err != nil {
		return notAsked("spool", "disk", "the free space is not known: %v", err)
	}
	f := found("spool", "disk", "%d MiB free, at most %d MiB are wanted", left>>20, most>>20)
	switch {
	case left < leastFree:
		f = f.but(StatusFailed, "make room: windows that do not fit are lost while the collector is away")
	case left+used < most:
		f = f.but(StatusWarning, "make room, or lower --spool-max-mib to what there is, so that the spool and not the disk sets the limit")
	}
	return f.with("free_bytes", left).with("wanted_bytes", most)
}
