package filing

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/internal/durable"
)

// lock waits until nobody else files into a folder, in this process or another.
// It lies on the folder itself: a file for it would be one that was not filed.
// Where the file system cannot lock folders, as NFS, there is none.
func lock(dir string) (unlock func(), err error) {
	unlock, err = durable.LockFolder(dir)
	for _, unable := range []error{unix.EBADF, unix.EINVAL, unix.ENOLCK, unix.ENOSYS, unix.ENOTSUP} {
		if errors.Is(err, unable) {
			return func() {}, nil
		}
	}
	return unlock, err
}
