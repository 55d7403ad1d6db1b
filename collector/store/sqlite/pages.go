package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// pageRows is how many rows are fetched at once. Between two pages no
// connection is held, so that a slow reader holds up neither the checkpoint of
// the write-ahead log nor other readers.
const pageRows = 1024

const selectPage = `SELECT
	start_ms, session, digest, admitted_ms, context, length_ms,
	scheduled, sent, received, lost, late, duplicate, send_error, unstamped,
	rtts, min_us, mean_us, p50_us, p95_us, p99_us, max_us,
	ipdv_mean_us, ipdv_max_us, ttl_min, ttl_max, ttl_changes,
	clock_max_error_us, clock_frequency_ppb, extra
FROM windows
WHERE link = ? AND (start_ms, session, digest) > (?,?,?) AND start_ms < ?
ORDER BY start_ms, session, digest LIMIT ?`

// pageConns are the connections that fetch pages. They go past database/sql,
// through which each of a row's 29 values is a value on the heap: a month of a
// country has a thousand million of them.
type pageConns struct {
	uri string
	// conns holds maxReaders places, nil where none was opened yet.
	conns  chan *sqlite.Conn
	closer sync.Once
}

func newPageConns(uri string) *pageConns {
	p := &pageConns{uri: uri, conns: make(chan *sqlite.Conn, maxReaders)}
	for range maxReaders {
		p.conns <- nil
	}
	return p
}

var errPagesClosed = errors.New("the connections that read were closed")

// with calls do with a connection of its own. It waits for one as long as
// others take to fetch a page.
func (p *pageConns) with(do func(*sqlite.Conn) error) error {
	conn, open := <-p.conns
	if !open {
		return errPagesClosed
	}
	defer func() { p.conns <- conn }()
	if conn == nil {
		opened, err := sqlite.OpenConn(p.uri, sqlite.OpenReadOnly, sqlite.OpenURI)
		if err != nil {
			return err
		}
		opened.SetBusyTimeout(busyTimeout)
		conn = opened
	}
	return do(conn)
}

// close waits for the pages that are being fetched.
func (p *pageConns) close() (err error) {
	p.closer.Do(func() {
		for range cap(p.conns) {
			if conn := <-p.conns; conn != nil {
				err = errors.Join(err, conn.Close())
			}
		}
		close(p.conns)
	})
	return err
}

// busyTimeout is how long a connection that reads waits for a lock.
const busyTimeout = 5 * time.Second

// place is where in the table the page before ended.
type place struct {
	startMS, session int64
	digest           []byte
}

// row is a window with what orders it among those of its key.
type row struct {
	window     wire.Window
	digest     []byte
	admittedMS int64
	context    int64 // number of the texts that window does not have yet
}

func (r *row) place() place { return place{r.window.StartMS, int64(r.window.Session), r.digest} }

// page is rows in the order of the table. What their windows point to lies
// together, so that a page costs a handful of allocations and not a handful
// for each row; whoever keeps a window keeps that.
type page struct {
	rows  []row
	bytes []byte
	stats []wire.Stats
	ipdv  []wire.IPDV
	ttl   []wire.ReplyTTL
}

// begin forgets the rows, but leaves to windows that somebody kept what they
// point to.
func (p *page) begin() {
	*p = page{
		rows: p.rows[:0], bytes: make([]byte, 0, len(p.bytes)),
		stats: make([]wire.Stats, 0, len(p.stats)), ipdv: make([]wire.IPDV, 0, len(p.ipdv)), ttl: make([]wire.ReplyTTL, 0, len(p.ttl)),
	}
}

// fetch fills the page with what follows a place.
func (p *page) fetch(conn *sqlite.Conn, q store.Query, link int64, after place) error {
	p.begin()
	stmt, err := conn.Prepare(selectPage)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, link)
	stmt.BindInt64(2, after.startMS)
	stmt.BindInt64(3, after.session)
	stmt.BindBytes(4, after.digest)
	stmt.BindInt64(5, q.ToMS)
	stmt.BindInt64(6, pageRows)
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return errors.Join(err, stmt.Reset())
		}
		if err := p.add(stmt, q); err != nil {
			return errors.Join(err, stmt.Reset())
		}
	}
}

// add takes the columns of selectPage.
func (p *page) add(stmt *sqlite.Stmt, q store.Query) error {
	p.rows = append(p.rows, row{})
	r := &p.rows[len(p.rows)-1]
	c := columns{stmt: stmt}
	w := &r.window
	w.Key = wire.Key{Src: q.Src, Dst: q.Dst, Test: q.Test}
	w.StartMS = c.int()
	w.Session = uint64(c.int())
	r.digest = p.take(&c)
	r.admittedMS = c.int()
	r.context = c.int()
	w.EndMS = w.StartMS + c.int()
	w.Counts = wire.Counts{
		Scheduled: c.uint32(), Sent: c.uint32(), Received: c.uint32(), Lost: c.uint32(),
		Late: c.uint32(), Duplicate: c.uint32(), SendError: c.uint32(), Unstamped: c.uint32(),
	}
	w.RTTs = p.take(&c)
	if !c.skipAbsent(6) {
		p.stats = append(p.stats, wire.Stats{
			MinUS: c.uint32(), MeanUS: c.float(),
			P50US: c.uint32(), P95US: c.uint32(), P99US: c.uint32(), MaxUS: c.uint32(),
		})
		w.Stats = &p.stats[len(p.stats)-1]
	}
	if !c.skipAbsent(2) {
		p.ipdv = append(p.ipdv, wire.IPDV{MeanUS: c.float(), MaxUS: c.uint32()})
		w.IPDV = &p.ipdv[len(p.ipdv)-1]
	}
	if !c.skipAbsent(3) {
		p.ttl = append(p.ttl, wire.ReplyTTL{Min: uint8(c.int()), Max: uint8(c.int()), Changes: c.uint32()})
		w.ReplyTTL = &p.ttl[len(p.ttl)-1]
	}
	w.Clock.MaxErrorUS = c.int()
	w.Clock.FrequencyPPB = c.int()
	if c.skipAbsent(1) {
		return nil
	}
	var e extra
	if err := json.Unmarshal(p.take(&c), &e); err != nil {
		return fmt.Errorf("window %s: extra: %w", w.Key, err)
	}
	w.STAMP, w.OneWay, w.Path, w.Summary = e.STAMP, e.OneWay, e.Path, e.Summary
	return nil
}

// take copies the bytes of a column.
func (p *page) take(c *columns) []byte {
	from, n := len(p.bytes), c.stmt.ColumnLen(c.next)
	p.bytes = append(p.bytes, make([]byte, n)...)
	taken := p.bytes[from : from+n : from+n]
	c.stmt.ColumnBytes(c.next, taken)
	c.next++
	return taken
}

// columns takes typed values off a row one after the other. That they are of
// these types the tables see to, which are STRICT.
type columns struct {
	stmt *sqlite.Stmt
	next int
}

func (c *columns) int() int64 {
	c.next++
	return c.stmt.ColumnInt64(c.next - 1)
}

func (c *columns) uint32() uint32 { return uint32(c.int()) }

func (c *columns) float() float64 {
	c.next++
	return c.stmt.ColumnFloat(c.next - 1)
}

// skipAbsent passes over a group of n columns if it is NULL.
func (c *columns) skipAbsent(n int) bool {
	if c.stmt.ColumnType(c.next) != sqlite.TypeNull {
		return false
	}
	c.next += n
	return true
}
