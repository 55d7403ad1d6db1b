package durable

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts a file into its place, whole or not at all: who reads it, and who
// comes after a crash, finds the file of before or the new one. When Replace
// returns without an error it is on disk, and so is its name.
//
// write fills a temporary file, which lies in the same folder, belongs to who
// runs this and is closed to all others. It may give it to another owner, and
// its error leaves everything as it was. mode are the permissions that the file
// gets in the end, whatever the umask and whatever the file before had.
// temporary is how the name begins that the file has until then, so that whoever
// keeps the folder can tell what a crash has left there. Where path is a link,
// the link is replaced: who wants to follow it resolves it before.
func Replace(path, temporary string, mode fs.FileMode, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), temporary+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// What failed first is told; a temporary file that stays harms nobody.
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := setMode(f, mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := Folder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s is written, but a power cut may undo it: %w", path, err)
	}
	return nil
}

// Bytes fills a file for Replace.
func Bytes(data []byte) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.Write(data)
		return err
	}
}
