package account

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Places are where a run left its books.
type Places struct {
	Mesh  *mesh.Mesh
	Store string                   // "sqlite:PATH" or "influx:FILE"
	Sites []string                 // whose probes ran
	Log   func(site string) string // file
	Spool func(site string) string // folder; it is copied, not touched
}

// Read reads the books.
func (p *Places) Read(ctx context.Context, log *slog.Logger) (*Ledger, Said, error) {
	var l Ledger
	var said Said
	for _, id := range p.Sites {
		site := Site{ID: id}
		file, err := os.Open(p.Log(id))
		if err != nil {
			return nil, said, fmt.Errorf("account for %s: %w", id, err)
		}
		lives, here, err := ReadLog(file)
		file.Close() // only read
		if err != nil {
			return nil, said, fmt.Errorf("account for %s: %w", id, err)
		}
		site.Lives = lives
		said.add(here)
		if err := readSpool(p.Spool(id), &site, log); err != nil {
			return nil, said, fmt.Errorf("account for %s: %w", id, err)
		}
		l.Sites = append(l.Sites, site)
	}
	var err error
	l.Stored, err = p.stored(ctx, log)
	return &l, said, err
}

// stored reads all windows of the mesh's links.
func (p *Places) stored(ctx context.Context, log *slog.Logger) ([]Stored, error) {
	s, err := open.Reader(ctx, p.Store, log)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	// A probe's clock may have been ahead.
	until := time.Now().Add(24 * time.Hour)
	var all []Stored
	for i := range p.Mesh.Measure {
		test := &p.Mesh.Measure[i]
		for _, link := range p.Mesh.Links(test, time.Unix(0, 0), until) {
			query := store.Query{Src: link.Src, Dst: link.Dst, Test: test.Name, FromMS: 0, ToMS: until.UnixMilli()}
			for record, err := range s.Windows(ctx, query) {
				if err != nil {
					return nil, fmt.Errorf("read the windows of %s to %s: %w", link.Src, link.Dst, err)
				}
				all = append(all, Stored{bookedAs(&record.Window), len(record.Conflicts)})
			}
		}
	}
	return all, nil
}

func bookedAs(w *wire.Window) Window { return Window{w.Key.String(), w.Digest().String()} }

// readSpool reads a copy of a spool, so that looking changes nothing. A file
// that a probe moved aside as damaged is an error: no fault damages one.
func readSpool(folder string, site *Site, log *slog.Logger) (err error) {
	if damaged, _ := filepath.Glob(filepath.Join(folder, "*.damaged-*")); len(damaged) > 0 {
		return fmt.Errorf("its spool was damaged and moved aside: %v", damaged)
	}
	dir, err := os.MkdirTemp("", "fibergauge-account")
	if err != nil {
		return fmt.Errorf("copy the spool: %w", err)
	}
	defer os.RemoveAll(dir) // in the system's temporary folder anyhow
	if err := copyFiles(folder, dir); err != nil {
		return err
	}
	s, err := spool.Open(dir, math.MaxInt64, log)
	if err != nil {
		return err
	}
	defer s.Close() // of a copy
	entries, err := s.Oldest(math.MaxInt, math.MaxInt)
	if err != nil {
		return err
	}
	for i := range entries {
		site.Spooled = append(site.Spooled, bookedAs(&entries[i].Window))
	}
	aside, err := s.Aside()
	if err != nil {
		return err
	}
	for _, r := range aside {
		w, err := wire.DecodeWindow(r.Window)
		if err != nil {
			return fmt.Errorf("a window that was set aside as %s does not read: %w", r.Code, err)
		}
		site.Aside = append(site.Aside, bookedAs(w))
	}
	site.Dropped = s.Counts().Dropped
	return nil
}

func copyFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("copy the spool: %w", err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		if err := copyFile(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return fmt.Errorf("copy the spool: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // only read
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close() // it is incomplete anyhow
		return err
	}
	return out.Close()
}
