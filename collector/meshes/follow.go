package meshes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"time"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
	"github.com/fibergauge/fibergauge/mesh"
)

// Follower serves a mesh file and each change of it. A file that is wrong is
// reported once, and the version before it stays.
type Follower struct {
	File     string
	Versions *Versions
	Every    time.Duration    // between two looks at the file, and two tries to archive
	Timeout  time.Duration    // of one try to archive
	Nudge    <-chan os.Signal // looks at the file at once
	Served   func(*mesh.Mesh) // told of each version once it is served
	Failed   func()           // told of each file that was refused
	Log      *slog.Logger

	seen     string // hash of the last content looked at, good or bad
	fault    string // last fault of the file reported; "" after a good look
	archival string // last error of the archive reported; "" once it took a version
}

// Run serves first, the file's content as already loaded, and then follows the
// file until the context ends.
func (f *Follower) Run(ctx context.Context, first *mesh.Mesh) {
	f.seen = first.SHA256()
	pending := first
	ticker := time.NewTicker(f.Every)
	defer ticker.Stop()
	for {
		if pending != nil && f.serve(ctx, pending) {
			pending = nil
		}
		var changed *mesh.Mesh
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			changed = f.look(false)
		case <-f.Nudge:
			changed = f.look(true)
		}
		if changed != nil {
			pending = changed
		}
	}
}

func (f *Follower) serve(ctx context.Context, m *mesh.Mesh) bool {
	bounded, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	err := f.Versions.Serve(bounded, m)
	switch {
	case err == nil:
		f.archival = ""
		f.Served(m)
		return true
	case ctx.Err() == nil && err.Error() != f.archival:
		f.archival = err.Error()
		f.Log.Error("the mesh is not served, because the store did not archive it; trying again until it does", "every", f.Every, "error", err)
	}
	return false
}

// look reads the file and gives the mesh in it if it is good and new. nudged
// says that somebody asked and waits for an answer in the log.
func (f *Follower) look(nudged bool) *mesh.Mesh {
	m, hash, err := f.load(nudged)
	f.seen = hash
	switch {
	case err != nil:
		if nudged || err.Error() != f.fault {
			f.fault = err.Error()
			f.Failed()
			f.Log.Error("the new mesh is refused, the version before it stays", "error", err)
		}
	case m == nil && nudged:
		f.Log.Info("the mesh file has not changed", "mesh", hash)
	case m != nil:
		f.fault = ""
	}
	return m
}

// load gives no mesh and no error where the content was seen before and nobody
// asks. Reading comes before hashing and parsing, so that both are of the same
// bytes.
func (f *Follower) load(nudged bool) (*mesh.Mesh, string, error) {
	info, err := os.Stat(f.File)
	if err != nil || info.Size() > yamlfile.MaxBytes {
		_, err := mesh.Load(f.File) // says what is wrong in one line
		return nil, "", err
	}
	data, err := os.ReadFile(f.File)
	if err != nil {
		_, err := mesh.Load(f.File)
		return nil, "", err
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	if hash == f.seen && (!nudged || f.fault == "") {
		return nil, hash, nil
	}
	m, err := mesh.Parse(f.File, data)
	return m, hash, err
}
