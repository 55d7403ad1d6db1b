package filing

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock waits until nobody else files into a folder, in this process or another.
// It lies on the folder itself: a file for it would be one that was not filed.
// Where the file system cannot lock folders, as NFS, there is none.
func lock(dir string) (unlock func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(folder.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	for _, unable := range []error{unix.EBADF, unix.EINVAL, unix.ENOLCK, unix.ENOSYS, unix.ENOTSUP} {
		if errors.Is(err, unable) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), folder.Close())
	}
	return func() { _ = folder.Close() }, nil // which unlocks it; nothing was written by it
}
