package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/analyzer/filing"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/durable"
)

// checkOut refuses a folder as --out, and what would take the place of something
// that is filed, before any work is done; empty is standard output.
func checkOut(out string) error {
	if out == "" {
		return nil
	}
	if info, err := os.Stat(out); err == nil && info.IsDir() {
		return cli.Usage(fmt.Errorf("--out %s is a folder; name a file in it", out))
	}
	filed, err := filing.Guarding(out)
	if err != nil {
		return cli.Usage(fmt.Errorf("--out: %w", err))
	}
	if filed != "" {
		return cli.Usage(fmt.Errorf("--out %s is of what is filed by %s, which is never replaced; name another file, or use report --format all, which keeps revisions", out, filed))
	}
	return nil
}

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

func replaceFile(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		return cli.Usage(fmt.Errorf("write %s: there is no such folder; make it, or name another", name))
	}
	err := durable.Replace(name, "."+filepath.Base(name)+".", 0o644, func(f *os.File) error { return write(f) })
	if err == nil {
		return nil
	}
	err = fmt.Errorf("write %s: %w", name, err)
	if errors.Is(err, fs.ErrPermission) {
		return cli.Usage(err)
	}
	return err
}
