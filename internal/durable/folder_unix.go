//go:build unix

package durable

import (
	"errors"
	"os"
)

// Folder makes the names in a folder durable: those of files that were made
// in it, moved into it or taken out of it.
func Folder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
