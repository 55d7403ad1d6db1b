// Package store is the contract between whoever keeps windows and whoever
// needs them: the collector puts, the analyzer reads. Implementations stand
// in the folders below; package open picks one, and the conformance suite
// (package conformance) holds all of them to what is written here.
//
// What the contract promises:
//
//   - Put returns nil only when everything in the admission is durable.
//   - Nothing is ever overwritten. Putting a window again changes nothing; a
//     different window under the same key is kept beside the first as a
//     conflict. So every write may be repeated, by anybody, at any time.
//   - An error is retryable (the same call may succeed later) unless
//     errors.Is(err, ErrPermanent). After an error, some of the admission may
//     be stored; repeating it completes it.
//   - Reads see every Put that returned before they began.
//   - A cancelled context ends a call promptly with the context's error.
//   - All methods are safe for concurrent use, also from several processes on
//     one store.
package store

import (
	"context"
	"crypto/ed25519"
	"errors"
	"iter"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// ErrPermanent marks an error that the same call will meet again: the data
// itself is refused. Do not loop: set aside, count, alarm.
var ErrPermanent = errors.New("the store will never take this")

// Reader gives what was stored. Reading changes nothing in the store, and needs
// no right to write there.
type Reader interface {
	// Windows yields the windows of one link and test that start in
	// [FromMS, ToMS), by (StartMS, Session), one Record a key. Iteration ends
	// after the first error. An empty range yields nothing.
	Windows(ctx context.Context, q Query) iter.Seq2[Record, error]

	// Journal yields the entries of admissions in the order of their cursors,
	// after the given one; the zero Cursor means from the beginning. An entry
	// may be yielded again by a later call with a cursor behind which it
	// stands (several collectors' clocks differ), but none is ever left out:
	// keep the last cursor, and expect repetitions.
	Journal(ctx context.Context, after Cursor) iter.Seq2[Entry, error]

	// Meshes lists the archived versions by (ServedFrom, SHA256).
	Meshes(ctx context.Context) ([]MeshVersion, error)

	// SigningKeys lists the keys of all sites, revoked ones too, by (Site,
	// Enrolled, ID).
	SigningKeys(ctx context.Context) ([]SigningKey, error)

	// Ready tells, for health checks, whether the store answers now: whether
	// it would try a read and, where it is a Store, a Put.
	Ready(ctx context.Context) error

	// Close releases what is held. No other call may follow.
	Close() error
}

// Store keeps windows, the journal of their admission, mesh versions and signing
// keys.
type Store interface {
	Reader

	// Put stores the windows of an admission and then its journal entry. An
	// admission without windows stores nothing and is no error. The windows
	// have passed wire.Window.Check.
	Put(ctx context.Context, a Admission) error

	// PutMesh archives a version of the mesh; the earliest ServedFrom of a
	// version is kept.
	PutMesh(ctx context.Context, m MeshVersion) error

	// PutSigningKey archives a key, which has passed its Check. Of a key that
	// the site has already, the earliest Enrolled and the earliest Revoked that
	// is not zero are kept. Nothing is forgotten: a revocation is never taken
	// back, and a key never removed.
	PutSigningKey(ctx context.Context, k SigningKey) error
}

// Admission is what a collector admitted at once from one site.
type Admission struct {
	At         time.Time // by the collector's clock; kept to the millisecond
	Site       string
	Batch      string // digest of the batch, hex
	MeshSHA256 string // mesh served at that time
	Signature  *wire.Signature
	// Statement is what the batch says, and its signature signs: the digests of
	// all its windows in their order, those that were refused among them.
	Statement []wire.Digest
	Windows   []wire.Window // those admitted
}

// Query names a link, a test and a half-open range of window starts, in Unix
// milliseconds.
type Query struct {
	Src, Dst, Test string
	FromMS, ToMS   int64
}

// Record is the window that counts under its key: the earliest admitted. The
// others that were put under the same key stand beside it, in the order of
// their admission, ties by digest.
type Record struct {
	Window    wire.Window
	Conflicts []wire.Window
}

// Entry is one line of the journal. Equal admissions (same site, batch and
// millisecond) make one entry.
type Entry struct {
	Cursor     Cursor
	At         time.Time
	Site       string
	Batch      string
	MeshSHA256 string
	Signature  *wire.Signature
	Statement  []wire.Digest
	Windows    int
	Spans      []Span
}

// Span says which windows of one link and test an admission brought: how many,
// and between which starts. From it the analyzer knows which days changed.
type Span struct {
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Test    string `json:"test"`
	FirstMS int64  `json:"first_ms"` // earliest start
	LastMS  int64  `json:"last_ms"`  // latest start
	Windows int    `json:"windows"`
}

// Cursor is a place in the journal. It is opaque, comparable only by the store
// that gave it, and may be kept on disk as text.
type Cursor string

// MeshVersion is one version of mesh.yaml that a collector served.
type MeshVersion struct {
	SHA256     string
	Bytes      []byte
	ServedFrom time.Time // when it was first served; kept to the millisecond
	// Distances repeats, for people who query the store directly, what follows
	// from Bytes at ServedFrom. A store may leave them out, and Meshes does.
	Distances []Distance
}

// SigningKey is a public key by which a site signs its batches.
type SigningKey struct {
	Site     string
	Key      ed25519.PublicKey
	Enrolled time.Time // what it signed before is not believed; kept to the millisecond
	Revoked  time.Time // what is admitted from then on is not believed; zero: it is in force
}

// ID names the key in signatures.
func (k SigningKey) ID() string { return wire.KeyID(k.Key) }

// InForce tells whether what is admitted at that moment may be signed by the
// key.
func (k SigningKey) InForce(at time.Time) bool {
	return !at.Before(k.Enrolled) && (k.Revoked.IsZero() || at.Before(k.Revoked))
}

// Distance is the road distance of a measured link.
type Distance struct {
	Src, Dst       string // sites
	Meters         int64
	GeodesicMeters int64
	Class          string // "A", "B" or "C"
}
