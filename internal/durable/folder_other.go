//go:build !unix

package durable

import (
	"io/fs"
	"os"
)

// Folder does nothing here: a folder cannot be synced, and need not be.
func Folder(string) error { return nil }

// setMode has nothing to do where a file is for whom its folder lets.
func setMode(*os.File, fs.FileMode) error { return nil }
