//go:build linux || darwin

package doctor

import "golang.org/x/sys/unix"

// Free gives the bytes that an ordinary process may still take on the disk of
// a folder.
func Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
