// Package keyfile reads keys and secrets from files.
package keyfile

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

// maxBytes is more than a key in PEM or any secret has.
const maxBytes = 64 << 10

// ReadPrivate reads a key or secret that nobody but its owner can read.
func ReadPrivate(path string) ([]byte, error) {
	data, mode, err := Read(path)
	if err != nil {
		return nil, err
	}
	if mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s is open to others than its owner (mode %#o); it must not be: chmod 600 %s", path, mode.Perm(), path)
	}
	return data, nil
}

// Read reads a file that anybody may read, and its mode.
func Read(path string) (data []byte, mode os.FileMode, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a file", path)
	}
	data, err = io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("%s has more than %d bytes, which no key or secret has", path, maxBytes)
	}
	return data, info.Mode(), err
}
