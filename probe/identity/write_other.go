//go:build !unix

package identity

import "os"

// giveToOwnerOf has nothing to do where a file belongs to whom the folder lets.
func giveToOwnerOf(string, *os.File) error { return nil }
