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

	pending  *mesh.Mesh // to be served as soon as it is archived
	seen     string     // hash of the last content looked at, good or bad
	fault    string     // last fault of the file reported; "" after a good look
	archival string     // last error of the archive reported; "" once it took a version
}

// Begin tries once to serve first, the file's content as already loaded, so
// that in a store that answers it is served before the first probe asks. If it
// fails, Run goes on trying.
func (f *Follower) Begin(ctx context.Context, first *mesh.Mesh) {
	f.pending, f.seen = first, first.SHA256()
	f.serve(ctx)
}

// Run follows the file until the context ends. Begin comes before it.
func (f *Follower) Run(ctx context.Context) {
	ticker := time.NewTicker(f.Every)
	defer ticker.Stop()
	for {
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
			f.pending = changed
		}
		f.serve(ctx)
	}
}

// serve serves what is pending, if the archive takes it.
func (f *Follower) serve(ctx context.Context) {
	if f.pending == nil {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	err := f.Versions.Serve(bounded, f.pending)
	switch {
	case err == nil:
		f.archival = ""
		f.Served(f.pending)
		f.pending = nil
	case ctx.Err() == nil && err.Error() != f.archival:
		f.archival = err.Error()
		f.Log.Error("the mesh is not served, because the store did not archive it; trying again until it does", "every", f.Every, "error", err)
	}
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
