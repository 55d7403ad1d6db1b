package pki

import (
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/internal/durable"
)

// write puts a file in its place at once, and returns when it is durable.
func write(path string, mode fs.FileMode, data []byte) error {
	return durable.Replace(path, temporary, mode, durable.Bytes(data))
}

// temporary is how the names of files that are being written begin.
const temporary = ".writing-"

// locked runs f while no other process, and no other call in this one, changes
// the folder. The kernel lets go of the lock of a process that dies.
func locked(dir string, f func() error) error {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := durable.Lock(lock); err != nil {
		return err
	}
	return f()
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// decodePEM gives the one block that a file holds.
func decodePEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block %s", path, kind)
	}
	return block.Bytes, nil
}
