//go:build unix

package identity

import (
	"os"
	"syscall"
)

// giveToOwnerOf gives a file to whom the folder belongs, where root writes it
// for a service that runs as somebody else.
func giveToOwnerOf(dir string, f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
		return f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}
