//go:build !unix

package identity

import "os"

// giveToOwnerOf has nothing to do where a file belongs to whom the folder lets.
func giveToOwnerOf(string, *os.File) error { return nil }

// lock does nothing here: whoever enrols again stops the probe first.
func lock(string) (unlock func(), err error) { return func() {}, nil }
