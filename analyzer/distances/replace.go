package distances

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fibergauge/fibergauge/internal/durable"
)

// Replace puts a text into the place of a file, whole or not at all, with the
// rights that the file has. It refuses where the file is no longer what was
// read: to ask a server takes minutes, in which somebody may have saved it.
func Replace(file string, read, with []byte) error {
	// Where the file is a link, what it leads to is replaced, not the link.
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("write the mesh: %w", err)
	}
	err = durable.Replace(file, "."+filepath.Base(file)+".", info.Mode().Perm(), func(temp *os.File) error {
		if err := errors.Join(durable.Bytes(with)(temp), alike(temp, info)); err != nil {
			return err
		}
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, read) {
			return errors.Join(fmt.Errorf("%s was changed meanwhile; nothing is written, so do it again", file), err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; its folder has to be writable", err)
	}
	if err != nil {
		return fmt.Errorf("write the mesh: %w", err)
	}
	return nil
}

// alike gives a file the owner of another.
func alike(temp *os.File, info os.FileInfo) error {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return temp.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}
