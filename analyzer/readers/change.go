package readers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/internal/durable"
)

// lockPoll is how often a lock that another command holds is tried again.
const lockPoll = 20 * time.Millisecond

// Change lets one command after the other change a file: it reads the list, or
// begins an empty one where create allows that, and writes what change makes of
// it. The file is whole at every moment, and on disk when Change returns.
func Change(ctx context.Context, file string, create bool, change func(*List) (*List, error)) (err error) {
	// Where the file is a link, what it leads to is replaced, not the link.
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	unlock, err := lock(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	list := newList(nil)
	if _, missing := os.Lstat(file); !create || !errors.Is(missing, fs.ErrNotExist) {
		if list, err = Load(file); err != nil {
			return err
		}
	}
	if list, err = change(list); err != nil {
		return err
	}
	data, err := list.Bytes()
	if err != nil {
		return err
	}
	// Readable by its owner only.
	if err := durable.Replace(file, "."+filepath.Base(file)+".", 0o600, durable.Bytes(data)); err != nil {
		return fmt.Errorf("write readers: %w", err)
	}
	return nil
}

// lock holds off other commands by a file beside the list, because the list's
// own is another one after each change. It stays: to remove it would let two
// commands lock two files of one name.
func lock(ctx context.Context, file string) (unlock func() error, err error) {
	name := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock readers: %w; the folder must exist and be writable", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f.Close, nil // closing unlocks
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock readers: %s: %w", name, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock readers: another command holds %s; try again when it is done: %w", name, ctx.Err()), f.Close())
		case <-time.After(lockPoll):
		}
	}
}
