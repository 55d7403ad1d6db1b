package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/internal/cli"
)

// writeOut writes a file whole or not at all.
func writeOut(name string, data []byte) error {
	return streamOut(name, "the report", func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// streamOut is writeOut for what is too large to be held; what names it in
// errors. A link keeps pointing where it does, and a device or pipe is written
// to, not replaced.
func streamOut(name, what string, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return cli.Usage(fmt.Errorf("write %s: %w", what, err))
		}
		err = write(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("write %s: %w", what, err)
		}
		return nil
	}
	return replaceFile(name, write)
}

func replaceFile(name string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		return cli.Usage(fmt.Errorf("write %s: there is no such folder; make it, or name another", name))
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return cli.Usage(fmt.Errorf("write %s: %w", name, err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(file.Name()))
		}
	}()
	err = write(file)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
