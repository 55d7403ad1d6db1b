package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/internal/durable"
)

// makeFolder makes the folder of path where it is missing, so that it outlives
// a power cut: SQLite synchronises only the folder in which the file stands.
func makeFolder(path string) error {
	if path == ":memory:" {
		return &FileError{path, "each connection would have a memory of its own; give the path of a file"}
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return &FileError{path, "is a folder; give the path of a file in it"}
	}
	var made []string
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		made = append(made, at)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return &FileError{path, "its folder cannot be made: " + err.Error()}
	}
	for _, folder := range made {
		if err := durable.Folder(filepath.Dir(folder)); err != nil {
			return fmt.Errorf("sqlite open: make the folder of %s last: %w", path, err)
		}
	}
	return nil
}

// leaveForeign refuses the database of another program by its header, before
// SQLite opens it: opening would turn it to WAL mode, and so change it.
func leaveForeign(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return nil // SQLite says what is wrong with it, or makes it
	}
	defer file.Close() // nothing was written
	// https://www.sqlite.org/fileformat.html#the_database_header
	var header [100]byte
	if _, err := io.ReadFull(file, header[:]); err != nil || !bytes.HasPrefix(header[:], []byte("SQLite format 3\x00")) {
		return nil
	}
	inWAL := header[18] == 2
	schemaCookie := binary.BigEndian.Uint32(header[40:])
	application := binary.BigEndian.Uint32(header[68:])
	// Ours is in WAL mode before it has a table, and may have its mark only in
	// the log.
	if application != applicationID && (application != 0 || !inWAL && schemaCookie != 0) {
		return foreign(path)
	}
	return nil
}

func foreign(path string) error {
	return &FileError{path, "is the SQLite database of another program; give a path of its own"}
}

// inPlace tells whether the file that is open still stands at its path. SQLite
// goes on writing to a file that was removed or replaced, where nobody will
// find it.
func (s *Reader) inPlace() error {
	now, err := os.Stat(s.path)
	if err == nil && os.SameFile(now, s.file) {
		return nil
	}
	return fmt.Errorf("%s was removed or replaced while it was open; put it back, or restart this program to use what is there now", s.path)
}
