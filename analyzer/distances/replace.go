package distances

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fibergauge/fibergauge/internal/durable"
)

// Replace puts a text into the place of a file, whole or not at all, with the
// rights that the file has. It refuses where the file is no longer what was
// read: to ask a server takes minutes, in which somebody may have saved it.
func Replace(file string, read, with []byte) (err error) {
	// Where the file is a link, what it leads to is replaced, not the link.
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("write the mesh: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("write the mesh: %w; its folder has to be writable", err)
	}
	moved := false
	defer func() {
		if !moved {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(with)
	if err = errors.Join(err, alike(temp, info), temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("write the mesh: %w", err)
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, read) {
		return errors.Join(fmt.Errorf("write the mesh: %s was changed meanwhile; nothing is written, so do it again", file), err)
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return fmt.Errorf("write the mesh: %w", err)
	}
	moved = true
	if err := durable.Folder(filepath.Dir(file)); err != nil {
		return fmt.Errorf("write the mesh: it is written, but a power cut may undo it: %w", err)
	}
	return nil
}

// alike gives a file the owner and the rights of another.
func alike(temp *os.File, info os.FileInfo) error {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		if err := temp.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return temp.Chmod(info.Mode().Perm())
}
