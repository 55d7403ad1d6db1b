//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Folder makes the names in a folder durable: those of files that were made
// in it, moved into it or taken out of it.
func Folder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil // of a file system that cannot be asked to
	}
	return errors.Join(err, folder.Close())
}

func setMode(f *os.File, mode fs.FileMode) error { return f.Chmod(mode) }
