package influx

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/write"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// entry is the document of an admission.
type entry struct {
	AtMS       int64           `json:"at_ms"`
	Site       string          `json:"site"`
	Batch      string          `json:"batch"`
	MeshSHA256 string          `json:"mesh_sha256"`
	Signature  *wire.Signature `json:"signature,omitempty"`
	Windows    int             `json:"windows"`
	Spans      []store.Span    `json:"spans"`
	// Statement is the digests, one behind the other. Entries of before it was
	// kept lack it.
	Statement []byte `json:"statement,omitempty"`
}

// entryPoint has no time of its own: the server's clock gives it one on
// arrival. Collectors' clocks may differ by any amount and entries tell of any
// moment; only the server's own order lets a reader go on where it stopped.
func entryPoint(a *store.Admission) *write.Point {
	e := entry{
		a.At.UnixMilli(), a.Site, a.Batch, a.MeshSHA256, a.Signature, len(a.Windows), store.Spans(a.Windows),
		store.PackStatement(a.Statement),
	}
	fields := map[string]any{
		"id":    fmt.Sprintf("%016x", e.id()),
		"at_ms": e.AtMS, "batch": e.Batch, "mesh_sha256": e.MeshSHA256, "windows": int64(e.Windows),
	}
	setDocument(fields, "entry", encode(e))
	return write.NewPoint("journal", map[string]string{"site": a.Site}, fields, time.Time{})
}

// overlapNS is how far behind a cursor an entry may still appear: a write that
// is under way becomes visible after ones that the server stamped later, and
// the server's clock may be set back.
const overlapNS = int64(time.Hour)

// journalChunkNS is how much of the journal is read at once.
const journalChunkNS = int64(time.Hour)

// Journal yields entries in the order of the server's clock. It goes on behind
// the cursor if the hour before it holds just what it held then; if not,
// something came late, and that hour is yielded again.
func (s *Reader) Journal(ctx context.Context, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		err := s.follow(ctx, after, func(e store.Entry) bool { return yield(e, nil) })
		if err != nil {
			yield(store.Entry{}, s.explain(ctx, "read journal", err, reading))
		}
	}
}

// follow hands on the entries after a cursor until each refuses one.
func (s *Reader) follow(ctx context.Context, after store.Cursor, each func(store.Entry) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fromNS, past, err := s.resume(ctx, after)
	if err != nil {
		return err
	}
	sel := selection{measurement: "journal", document: "entry", small: "id", order: []string{"site"}}
	for part, err := range s.chunks(ctx, sel.between(fromNS, endNS), journalChunkNS) {
		if err != nil {
			return err
		}
		for _, d := range part.documents {
			var e entry
			if err := decode(d, &e); err != nil {
				return err
			}
			if again := past.add(d.atNS, e.id()); again {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			public, err := e.public(past.cursor())
			if err != nil {
				return fmt.Errorf("journal at %s: %w", moment(d.atNS), err)
			}
			if !each(public) {
				return nil
			}
		}
	}
	return nil
}

// resume tells from where to read, and what stands before that.
func (s *Reader) resume(ctx context.Context, after store.Cursor) (fromNS int64, past *past, err error) {
	past = newPast()
	if after == "" {
		return 0, past, nil
	}
	atNS, err := parseCursor(after)
	if err != nil {
		return 0, nil, err
	}
	fromNS = max(atNS-overlapNS, 0)
	sel := selection{measurement: "journal", small: "id"}.between(fromNS, atNS+1)
	ids, err := s.small(ctx, sel)
	if err != nil {
		return 0, nil, err
	}
	for _, d := range ids {
		id, err := strconv.ParseUint(d.text, 16, 64)
		if err != nil {
			return 0, nil, fmt.Errorf("journal at %s: id: %w", moment(d.atNS), err)
		}
		past.add(d.atNS, id)
	}
	if past.cursor() == after {
		return atNS + 1, past, nil
	}
	return fromNS, newPast(), nil
}

// id identifies the admission; equal admissions have equal ones.
func (e *entry) id() uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", e.AtMS, e.Site, e.Batch))
	return binary.BigEndian.Uint64(sum[:8])
}

func (e *entry) public(c store.Cursor) (store.Entry, error) {
	statement, err := store.UnpackStatement(e.Statement)
	return store.Entry{
		Cursor: c, At: time.UnixMilli(e.AtMS).UTC(), Site: e.Site, Batch: e.Batch,
		MeshSHA256: e.MeshSHA256, Signature: e.Signature, Statement: statement, Windows: e.Windows, Spans: e.Spans,
	}, err
}

// past holds what the last hour of the journal holds at a place in it.
type past struct {
	entries []pastEntry
	known   map[uint64]int // how often each id stands among entries
	sum     uint64         // over entries, in any order
}

type pastEntry struct {
	atNS int64
	id   uint64
}

func newPast() *past { return &past{known: map[uint64]int{}} }

// digest spreads time and id over all bits, so that sums of different entries
// differ.
func (e pastEntry) digest() uint64 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(e.atNS))
	binary.BigEndian.PutUint64(b[8:], e.id)
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(sum[:8])
}

// add goes on to the next entry and tells whether an equal one is among the
// last hour's.
func (p *past) add(atNS int64, id uint64) (again bool) {
	for len(p.entries) > 0 && p.entries[0].atNS < atNS-overlapNS {
		old := p.entries[0]
		p.entries = p.entries[1:]
		p.sum -= old.digest()
		if p.known[old.id]--; p.known[old.id] == 0 {
			delete(p.known, old.id)
		}
	}
	e := pastEntry{atNS, id}
	p.entries = append(p.entries, e)
	p.sum += e.digest()
	p.known[id]++
	return p.known[id] > 1
}

// cursor is the place of the last entry and the sum of the hour before it.
func (p *past) cursor() store.Cursor {
	if len(p.entries) == 0 {
		return ""
	}
	return store.Cursor(fmt.Sprintf("%d-%016x", p.entries[len(p.entries)-1].atNS, p.sum))
}

func parseCursor(c store.Cursor) (atNS int64, err error) {
	at, sum, _ := strings.Cut(string(c), "-")
	atNS, err = strconv.ParseInt(at, 10, 64)
	if err != nil || atNS < 0 || len(sum) != 16 {
		return 0, fmt.Errorf("%.40q is no cursor of this store; start from the beginning", string(c))
	}
	return atNS, nil
}

// archive is the document of a mesh version.
type archive struct {
	SHA256       string `json:"sha256"`
	ServedFromMS int64  `json:"served_from_ms"`
	Gzip         []byte `json:"gzip"`
}

// PutMesh archives a version unless it is there from as early on.
func (s *Store) PutMesh(ctx context.Context, m store.MeshVersion) error {
	if !wire.IsDigest(m.SHA256) {
		return fmt.Errorf("influx put mesh: %w: %.80q is not a SHA-256 in hex", store.ErrPermanent, m.SHA256)
	}
	if points := distancePoints(m.Distances, m.ServedFrom); len(points) > 0 {
		if err := s.write(ctx, "put distances", points...); err != nil {
			return err
		}
	}
	// A version is large and every start of a collector brings it again: here
	// looking first pays. Two that look at once store it twice, which is no harm.
	known, err := s.meshes(ctx, []tag{{"sha256", m.SHA256}})
	if err != nil {
		return s.explain(ctx, "put mesh", err, reading)
	}
	servedFromMS := m.ServedFrom.UnixMilli()
	if len(known) > 0 && known[0].ServedFrom.UnixMilli() <= servedFromMS {
		return nil
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(m.Bytes); err != nil {
		return fmt.Errorf("influx put mesh: %w", err)
	}
	if err := zip.Close(); err != nil {
		return fmt.Errorf("influx put mesh: %w", err)
	}
	document := encode(archive{m.SHA256, servedFromMS, packed.Bytes()})
	fields := map[string]any{"served_from_ms": servedFromMS}
	setDocument(fields, "archive", document)
	return s.write(ctx, "put mesh", write.NewPoint("mesh", map[string]string{"sha256": m.SHA256}, fields, s.place(servedFromMS, document)))
}

// Meshes lists the archive.
func (s *Reader) Meshes(ctx context.Context) ([]store.MeshVersion, error) {
	versions, err := s.meshes(ctx, nil)
	return versions, s.explain(ctx, "read meshes", err, reading)
}

// meshes gives the versions with these tags, each from its earliest serving.
func (s *Reader) meshes(ctx context.Context, tags []tag) ([]store.MeshVersion, error) {
	documents, err := s.documents(ctx, selection{
		measurement: "mesh", document: "archive", tags: tags, order: []string{"sha256"}, toNS: endNS,
	})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var versions []store.MeshVersion
	for _, d := range documents { // by time, which is that of serving
		var a archive
		if err := decode(d, &a); err != nil {
			return nil, err
		}
		if seen[a.SHA256] {
			continue
		}
		seen[a.SHA256] = true
		content, err := unzip(a.Gzip)
		if err != nil {
			return nil, fmt.Errorf("mesh %s: %w", a.SHA256, err)
		}
		versions = append(versions, store.MeshVersion{
			SHA256: a.SHA256, Bytes: content, ServedFrom: time.UnixMilli(a.ServedFromMS).UTC(),
		})
	}
	slices.SortFunc(versions, func(a, b store.MeshVersion) int {
		return cmp.Or(a.ServedFrom.Compare(b.ServedFrom), cmp.Compare(a.SHA256, b.SHA256))
	})
	return versions, nil
}

func unzip(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
