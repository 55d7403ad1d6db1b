// Package imports puts measurements made elsewhere into the store, so that
// they can be judged: rows of files that packages atlas and csv read become
// windows of wire.OriginImported.
//
// A file is imported whole or not at all. Everything is read, checked and put
// in order in temporary files, in bounded memory, before the store is touched.
// An import that the store broke off is completed by doing it again: equal
// windows are never stored twice.
//
// Nothing is made up. A row that names RTTs brings them as samples; a row that
// only sums up becomes a window of its own with wire.Summary, because neither
// a mean nor a percentile of several such rows follows from them.
package imports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Row is one measurement of a file: the packets that one site sent to another
// at a moment.
type Row struct {
	Src, Dst *mesh.Site
	AtMS     int64 // when they were sent, Unix ms
	// Session keeps apart what must not be taken for one measurement, as
	// sessions of a probe do: two systems, two probes on one site, rows with
	// samples and rows without.
	Session uint64
	// Source names system and measurement, for wire.Summary and as the
	// version of the probe.
	Source string
	// Once says that a second row of the same link, session, moment and Tag is
	// the same measurement told again, or a contradiction.
	Once bool
	Tag  string

	// RTTUS are the round-trip times of the packets that were answered, in
	// microseconds. A row without samples has Summary, and in Received how many
	// it sums up, if that is known; or neither, where all packets were lost.
	RTTUS   []uint32
	Alone   bool // the row is a window of its own
	Summary *Summary
	Counts  Counts
}

// Summary is what a row without samples tells of the RTTs, in microseconds.
type Summary struct {
	Min  *uint32 `json:"min,omitempty"`
	Mean *uint32 `json:"mean,omitempty"`
	Max  *uint32 `json:"max,omitempty"`
}

// Counts are packets of a row that have no RTT; they mean what those of
// wire.Counts do.
type Counts struct {
	Received  uint32 `json:"received,omitempty"` // of a row with a summary only
	Lost      uint32 `json:"lost,omitempty"`
	Late      uint32 `json:"late,omitempty"`
	Duplicate uint32 `json:"duplicate,omitempty"`
	SendError uint32 `json:"send_error,omitempty"`
}

// Found is what a place in a file holds: a row, what is wrong with it, or why
// it is left out without being wrong.
type Found struct {
	Line    int
	Row     Row
	Bad     error
	LeftOut string
}

// File is one file to import. An error of Rows ends the file: what follows
// cannot be read.
type File struct {
	Name string
	Rows func(ctx context.Context) iter.Seq2[Found, error]
}

// OfFile is a file whose rows read finds. read stops where yield says so.
func OfFile(name string, read func(in io.Reader, name string, yield func(Found, error) bool)) File {
	return File{Name: name, Rows: func(context.Context) iter.Seq2[Found, error] {
		return func(yield func(Found, error) bool) {
			file, err := os.Open(name)
			if err != nil {
				yield(Found{}, Refuse("%w", err))
				return
			}
			defer file.Close() // nothing was written
			read(file, name, yield)
		}
	}}
}

// Options are what an import needs besides its files.
type Options struct {
	Mesh *mesh.Mesh
	Test *mesh.Test // whose windows are filled
	Now  time.Time  // nothing may have been measured later
	// SkipBad imports the other rows where some are bad.
	SkipBad bool
	// AllowConflicts stores windows beside others under the same key.
	AllowConflicts bool
	// Progress, if set, is told what is done, and how far.
	Progress func(what string, done, total int)
}

// Refusal is what keeps a file from being imported and the user can mend.
// Nothing was stored.
type Refusal struct{ err error }

func (r *Refusal) Error() string { return r.err.Error() }
func (r *Refusal) Unwrap() error { return r.err }

// Refuse makes a Refusal.
func Refuse(format string, args ...any) error { return &Refusal{fmt.Errorf(format, args...)} }

// Plan is an import that is checked and ready to be stored. Close it.
type Plan struct {
	Report Report

	options Options
	staged  *staging
}

// Prepare reads and checks files. The plan tells what is bad in its report also
// where the error is a Refusal; it is nil with any other.
func Prepare(ctx context.Context, files []File, o Options) (_ *Plan, err error) {
	staged, err := newStaging()
	if err != nil {
		return nil, err
	}
	p := &Plan{options: o, staged: staged}
	p.Report.Files = len(files)
	defer func() {
		if _, refused := errors.AsType[*Refusal](err); err != nil && !refused {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.read(ctx, files); err != nil {
		return p, err
	}
	if err := p.build(ctx); err != nil {
		return p, err
	}
	r := &p.Report
	switch {
	case r.Bad > 0 && !o.SkipBad:
		return p, Refuse("%d of %d rows are bad, so nothing is imported; mend them, or leave them out by --skip-bad", r.Bad, r.Rows)
	case r.Windows == 0:
		return p, Refuse("nothing is left to import of %d rows: %d are bad, %d belong to no link of the mesh", r.Rows, r.Bad, r.LeftOut)
	}
	return p, nil
}

// Close removes the temporary files.
func (p *Plan) Close() error { return p.staged.close() }

func (p *Plan) progress(what string, done, total int) {
	if p.options.Progress != nil {
		p.options.Progress(what, done, total)
	}
}

// read stages the rows of all files.
func (p *Plan) read(ctx context.Context, files []File) error {
	for i, file := range files {
		for found, err := range file.Rows(ctx) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			p.Report.Rows++
			if p.Report.Rows%10_000 == 0 {
				p.progress("reading row", p.Report.Rows, 0)
			}
			switch {
			case found.LeftOut != "":
				p.Report.leaveOut(found.LeftOut)
			case found.Bad != nil:
				p.Report.bad(file.Name, found.Line, found.Bad)
			default:
				if err := p.check(&found.Row); err != nil {
					p.Report.bad(file.Name, found.Line, err)
				} else if err := p.staged.add(ctx, &found.Row, p.startOf(&found.Row), i, found.Line); err != nil {
					return err
				}
			}
		}
	}
	p.staged.files = files
	return p.staged.settle(ctx)
}

// check tells why no window takes a row, whatever its file.
func (p *Plan) check(row *Row) error {
	at := time.UnixMilli(row.AtMS)
	switch {
	case row.AtMS <= 0:
		return fmt.Errorf("%s is not after 1970", at.UTC().Format(time.RFC3339))
	case at.After(p.options.Now):
		return fmt.Errorf("%s is in the future", at.UTC().Format(time.RFC3339))
	}
	if s := row.Summary; s != nil {
		last := uint32(1)
		for _, v := range []*uint32{s.Min, s.Mean, s.Max} {
			if v == nil {
				continue
			}
			if *v < last {
				return errors.New("min, mean and max are not in this order")
			}
			last = *v
		}
	}
	return p.options.Unmeasured(row.Src, row.Dst, at)
}

// Unmeasured tells why the test does not measure from src to dst at a moment;
// nil if it does.
func (o *Options) Unmeasured(src, dst *mesh.Site, at time.Time) error {
	for _, site := range []*mesh.Site{src, dst} {
		if !site.ActiveAt(at) {
			return fmt.Errorf("site %s did not exist then by the mesh: see its from and until", site.ID)
		}
	}
	if !o.Mesh.Measures(o.Test, src, dst) {
		return fmt.Errorf("test %s does not measure %s>%s by the mesh: see its links, and the sites' role, carrier and plane", o.Test.Name, src.ID, dst.ID)
	}
	return nil
}

// startOf is where the window of a row begins.
func (p *Plan) startOf(row *Row) int64 {
	if row.Alone {
		return row.AtMS
	}
	return row.AtMS - row.AtMS%p.windowMS()
}

func (p *Plan) windowMS() int64 { return int64(p.options.Test.WindowS) * 1000 }

// Store is what an import needs of a store; every store.Store is one.
type Store interface {
	Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error]
	Journal(ctx context.Context, after store.Cursor) iter.Seq2[store.Entry, error]
	Meshes(ctx context.Context) ([]store.MeshVersion, error)
	SigningKeys(ctx context.Context) ([]store.SigningKey, error)
	Put(ctx context.Context, a store.Admission) error
	PutMesh(ctx context.Context, m store.MeshVersion) error
}

func temporary() (string, error) {
	dir, err := os.MkdirTemp("", "fibergauge-import-*")
	if err != nil {
		return "", fmt.Errorf("make room for the rows: %w; point TMPDIR to a folder with space", err)
	}
	return dir, nil
}
