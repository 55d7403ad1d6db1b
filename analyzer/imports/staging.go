package imports

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // puts rows in order in a file, whatever their number

	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// staging holds rows, and then the windows made of them, in temporary files.
type staging struct {
	dir           string
	rows, windows *sql.DB
	filling       *filling // of rows, until they are settled
	making        *filling // of windows, likewise

	files   []File
	sites   numbering[*mesh.Site]
	sources numbering[string]
}

// numbering numbers items as they come, so that a row holds a number for each.
type numbering[T comparable] struct {
	items   []T
	numbers map[T]int
}

// of is the number of an item: its index in items.
func (n *numbering[T]) of(item T) int {
	number, known := n.numbers[item]
	if !known {
		if n.numbers == nil {
			n.numbers = map[T]int{}
		}
		number = len(n.items)
		n.numbers[item] = number
		n.items = append(n.items, item)
	}
	return number
}

// filling is a transaction that one statement fills.
type filling struct {
	tx     *sql.Tx
	insert *sql.Stmt
}

const rowTable = `CREATE TABLE row (
	src INTEGER, dst INTEGER, session INTEGER, start_ms INTEGER, at_ms INTEGER, tag TEXT,
	body TEXT, source INTEGER, once INTEGER, alone INTEGER, file INTEGER, line INTEGER)`

const windowTable = `CREATE TABLE window (seq INTEGER PRIMARY KEY, src TEXT, state INTEGER, digest BLOB, body BLOB)`

func newStaging() (_ *staging, err error) {
	dir, err := temporary()
	if err != nil {
		return nil, err
	}
	s := &staging{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("order the rows in %s: %w", dir, err), s.close())
		}
	}()
	if s.rows, s.filling, err = s.open("rows", rowTable, "INSERT INTO row VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"); err != nil {
		return nil, err
	}
	s.windows, s.making, err = s.open("windows", windowTable, "INSERT INTO window (src, state, digest, body) VALUES (?,0,?,?)")
	return s, err
}

// open makes a file that need not survive anything.
func (s *staging) open(name, table, insert string) (*sql.DB, *filling, error) {
	query := url.Values{"_pragma": []string{"journal_mode(OFF)", "synchronous(OFF)", "cache_size(-32768)", "locking_mode(EXCLUSIVE)"}}
	path := (&url.URL{Path: filepath.Join(s.dir, name)}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+path+"?"+query.Encode())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(table); err != nil {
		return db, nil, err
	}
	f := &filling{}
	if f.tx, err = db.Begin(); err != nil {
		return db, nil, err
	}
	f.insert, err = f.tx.Prepare(insert)
	return db, f, err
}

func (s *staging) close() error {
	var errs []error
	for _, f := range []*filling{s.filling, s.making} {
		if f != nil && f.tx != nil {
			errs = append(errs, f.tx.Rollback())
		}
	}
	for _, db := range []*sql.DB{s.rows, s.windows} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// body is what a window takes of a row.
type body struct {
	RTTUS   []uint32 `json:"rtt_us,omitempty"`
	Summary *Summary `json:"summary,omitempty"`
	Counts  Counts   `json:"counts"`
}

// staged is a row as it comes back, in order.
type staged struct {
	src, dst, session, startMS, atMS int64
	tag, text                        string
	source, file, line               int
	once, alone                      bool
}

func (s *staging) add(ctx context.Context, r *Row, startMS int64, file, line int) error {
	text, err := json.Marshal(body{r.RTTUS, r.Summary, r.Counts})
	if err == nil {
		_, err = s.filling.insert.ExecContext(context.WithoutCancel(ctx), s.sites.of(r.Src), s.sites.of(r.Dst), int64(r.Session), startMS, r.AtMS, r.Tag,
			string(text), s.sources.of(r.Source), r.Once, r.Alone, file, line)
	}
	if err != nil {
		return s.failed(err)
	}
	return nil
}

func (s *staging) failed(err error) error {
	return fmt.Errorf("order the rows in %s: %w; see that there is space, or point TMPDIR elsewhere", s.dir, err)
}

// settle ends the filling with rows.
func (s *staging) settle(context.Context) error {
	err := s.filling.tx.Commit()
	s.filling = nil
	if err != nil {
		return s.failed(err)
	}
	return nil
}

// ordered yields the rows by link, session, window and moment.
func (s *staging) ordered(ctx context.Context) iter.Seq2[staged, error] {
	return func(yield func(staged, error) bool) {
		// A context that can end costs the driver a goroutine a row; who reads asks
		// it at each.
		rows, err := s.rows.QueryContext(context.WithoutCancel(ctx), `SELECT src, dst, session, start_ms, at_ms, tag, body, source, once, alone, file, line
			FROM row ORDER BY src, dst, session, start_ms, at_ms, tag, body, file, line`)
		if err != nil {
			yield(staged{}, s.failed(err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var r staged
			if err := rows.Scan(&r.src, &r.dst, &r.session, &r.startMS, &r.atMS, &r.tag, &r.text, &r.source, &r.once, &r.alone, &r.file, &r.line); err != nil {
				yield(r, s.failed(err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(staged{}, s.failed(err))
		}
	}
}

// keep stages a window behind those before it.
func (s *staging) keep(w *wire.Window) error {
	digest := w.Digest()
	if _, err := s.making.insert.Exec(w.Src, digest[:], w.Canonical()); err != nil {
		return s.failed(err)
	}
	return nil
}

// kept ends the making of windows.
func (s *staging) kept() error {
	err := s.making.tx.Commit()
	s.making = nil
	if err != nil {
		return s.failed(err)
	}
	return nil
}

// state is what the store has of a window.
type state int

const (
	fresh       state = iota // nothing
	known                    // the window
	knownAlike               // one that tells the same, imported by another version of the mesh
	conflicting              // another one under its key
)

// candidate is a window on its way to the store.
type candidate struct {
	seq    int64
	state  state
	window wire.Window
}

// pageBytes bounds what windows are held at once, beside their number.
const pageBytes = 4 << 20

// page reads what follows a window: as many as an admission may hold, of one
// source.
func (s *staging) page(ctx context.Context, after int64) (page []candidate, err error) {
	rows, err := s.windows.QueryContext(ctx, "SELECT seq, src, state, body FROM window WHERE seq > ? ORDER BY seq LIMIT ?", after, wire.MaxBatchWindows)
	if err != nil {
		return nil, s.failed(err)
	}
	defer rows.Close()
	size, first := 0, ""
	for rows.Next() && size < pageBytes {
		var (
			c    candidate
			src  string
			text []byte
		)
		if err := rows.Scan(&c.seq, &src, &c.state, &text); err != nil {
			return nil, s.failed(err)
		}
		if first == "" {
			first = src
		}
		if src != first {
			break
		}
		w, err := wire.DecodeWindow(text)
		if err != nil {
			return nil, s.failed(err)
		}
		c.window = *w
		size += len(text)
		page = append(page, c)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed(err)
	}
	return page, nil
}

// mark notes the states of windows.
func (s *staging) mark(ctx context.Context, page []candidate) error {
	tx, err := s.windows.BeginTx(ctx, nil)
	if err != nil {
		return s.failed(err)
	}
	for _, c := range page {
		if c.state == fresh {
			continue
		}
		if _, err := tx.ExecContext(ctx, "UPDATE window SET state = ? WHERE seq = ?", c.state, c.seq); err != nil {
			return errors.Join(s.failed(err), tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return s.failed(err)
	}
	return nil
}

// unstated takes the known windows that no entry of the journal states for
// fresh ones.
func (s *staging) unstated(ctx context.Context, stated iter.Seq2[wire.Digest, error]) (err error) {
	conn, err := s.windows.Conn(ctx)
	if err != nil {
		return s.failed(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "CREATE TEMP TABLE waiting (digest BLOB PRIMARY KEY) WITHOUT ROWID"); err != nil {
		return s.failed(err)
	}
	if _, err := conn.ExecContext(ctx, "INSERT OR IGNORE INTO waiting SELECT digest FROM window WHERE state = ?", known); err != nil {
		return s.failed(err)
	}
	remove, err := conn.PrepareContext(ctx, "DELETE FROM waiting WHERE digest = ?")
	if err != nil {
		return s.failed(err)
	}
	defer remove.Close()
	for digest, err := range stated {
		if err != nil {
			return err
		}
		if _, err := remove.ExecContext(ctx, digest[:]); err != nil {
			return s.failed(err)
		}
	}
	_, err = conn.ExecContext(ctx, "UPDATE window SET state = ? WHERE state = ? AND digest IN (SELECT digest FROM waiting)", fresh, known)
	if err != nil {
		return s.failed(err)
	}
	return nil
}
