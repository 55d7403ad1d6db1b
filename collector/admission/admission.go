// Package admission decides which windows of a batch are taken and has them
// stored. Batches come from the HTTP side, already decoded; windows go to the
// store together with the journal entry of their admission; the
// acknowledgement goes back.
//
// No answer depends on what it remembers between batches, so any number of
// collectors may stand behind one address: all that counts is in the mesh
// versions and in the store.
package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Store is where admitted windows go, and where the keys are by which they are
// signed; see store.Store for what it promises.
type Store interface {
	Put(ctx context.Context, a store.Admission) error
	SigningKeys(ctx context.Context) ([]store.SigningKey, error)
}

// Meshes gives the versions of the mesh by which windows are judged.
type Meshes interface {
	// Current is the version served now; nil before there is one.
	Current() *mesh.Mesh
	// Find gives the versions that were ever served, out of those asked for.
	Find(ctx context.Context, hashes []string) (map[string]*mesh.Mesh, error)
}

// Desk admits batches. It is safe for concurrent use.
type Desk struct {
	Store  Store
	Meshes Meshes
	Now    func() time.Time
	// FutureTolerance is how far a window may end after now: the probe's clock
	// is not the collector's.
	FutureTolerance time.Duration
	// SignedOnly refuses batches without a signature of all sites. Those of a
	// site that has a signing key in force are refused in any case.
	SignedOnly bool

	// PastTolerance is how long before now a window may have ended; 0 is no
	// limit. A store keeps windows by their time: a batch spread over centuries
	// would make it open each of them.
	PastTolerance time.Duration

	ring    keyRing
	replays replays
}

// Fault is why a whole batch is not admitted. Nothing of it counts as stored.
type Fault struct {
	Code    wire.Code
	Message string // for the sender; one line
	Err     error  // for the log; nil where the message says everything
}

// Error gives the code, the message and the cause.
func (f *Fault) Error() string {
	if f.Err != nil {
		return fmt.Sprintf("%s: %s: %v", f.Code, f.Message, f.Err)
	}
	return fmt.Sprintf("%s: %s", f.Code, f.Message)
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Admit judges a batch that a site has sent, stores the good windows and
// acknowledges. The acknowledgement exists only when the store has confirmed
// every window that it does not refuse. Errors are of type *Fault.
func (d *Desk) Admit(ctx context.Context, site string, batch *wire.Batch) (*wire.Ack, error) {
	if batch.Site != site {
		return nil, &Fault{Code: wire.CodeBadRequest, Message: fmt.Sprintf("site: the batch is of %s and was sent as %s; a probe sends its own windows only", batch.Site, site)}
	}
	current := d.Meshes.Current()
	if current == nil {
		return nil, &Fault{Code: wire.CodeStoreUnavailable, Message: "no mesh is served yet, because the store has not archived it; send the batch again later"}
	}
	versions, err := d.Meshes.Find(ctx, named(batch.Windows))
	if err != nil {
		return nil, unavailable(err)
	}
	if current.Site(site) == nil && !known(site, versions) {
		return nil, UnknownSite(site)
	}
	if err := d.signed(ctx, site, batch); err != nil {
		return nil, err
	}

	judge := judge{site: site, versions: versions, latestEnd: d.Now().Add(d.FutureTolerance)}
	if d.PastTolerance > 0 {
		judge.earliestEnd = d.Now().Add(-d.PastTolerance)
	}
	ack := &wire.Ack{Schema: wire.SchemaAck, Batch: batch.Digest().String(), MeshSHA256: current.SHA256()}
	good := make([]int, 0, len(batch.Windows))
	for i := range batch.Windows {
		w := &batch.Windows[i]
		if no := judge.window(w); no != nil {
			ack.Refused = append(ack.Refused, wire.Refusal{Index: i, Key: clip(w.Key), Code: no.code, Message: no.Error()})
			continue
		}
		good = append(good, i)
	}

	put := &putting{desk: d, batch: batch, admission: store.Admission{
		Site: site, Batch: ack.Batch, MeshSHA256: ack.MeshSHA256, Signature: batch.Signature,
		Statement: batch.Digests(),
	}}
	same := sameness(ack, batch.Signature, good)
	put.again = d.replays.admitted(site, same, d.Now())
	if err := put.windows(ctx, good); err != nil {
		if put.halved && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			// The same batch would meet the same end for ever, and keep back all
			// that the probe has behind it.
			return nil, &Fault{Code: wire.CodeTooLarge, Message: "the store refuses windows of the batch, and there was no time to find out which; send fewer windows at once", Err: err}
		}
		return nil, unavailable(err)
	}
	if !put.halved && put.again.IsZero() && len(good) > 0 {
		d.replays.note(site, same, put.last)
	}
	ack.Stored = len(good) - len(put.refused)
	ack.Refused = append(ack.Refused, put.refused...)
	slices.SortFunc(ack.Refused, func(a, b wire.Refusal) int { return a.Index - b.Index })
	return ack, nil
}

// known tells whether one of the versions has the site. One that was taken out
// of the mesh may still have windows to send, which are as good as ever.
func known(site string, versions map[string]*mesh.Mesh) bool {
	for _, m := range versions {
		if m.Site(site) != nil {
			return true
		}
	}
	return false
}

// UnknownSite is the fault of a site that the mesh does not name.
func UnknownSite(site string) *Fault {
	return &Fault{Code: wire.CodeUnknownSite, Message: fmt.Sprintf("the mesh has no site %s; check the probe's site, or add it to the mesh", site)}
}

func unavailable(err error) *Fault {
	return &Fault{Code: wire.CodeStoreUnavailable, Message: "the store did not confirm; nothing is acknowledged, send the same batch again later", Err: err}
}

// named lists the versions that windows name, each once.
func named(windows []wire.Window) []string {
	var hashes []string
	seen := map[string]bool{}
	for i := range windows {
		if hash := windows[i].MeshSHA256; !seen[hash] && wire.IsDigest(hash) {
			seen[hash] = true
			hashes = append(hashes, hash)
		}
	}
	return hashes
}

// putting is the way of one batch's good windows into the store.
type putting struct {
	desk      *Desk
	batch     *wire.Batch
	admission store.Admission // without At and Windows
	refused   []wire.Refusal
	again     time.Time // when the same was admitted before; zero if it was not
	last      time.Time // At of the Put before
	halved    bool      // the store refused more than one window together
}

// windows puts the windows with the given indexes. Where the store will never
// take them together, it puts halves, until the ones at fault stand alone: one
// bad window must not keep back the others for ever. What fails otherwise ends
// the whole; repeating completes it, because a Put may be repeated.
func (p *putting) windows(ctx context.Context, indexes []int) error {
	if len(indexes) == 0 {
		return nil
	}
	err := p.desk.Store.Put(ctx, p.piece(indexes))
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrPermanent):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case len(indexes) == 1:
		i := indexes[0]
		p.refused = append(p.refused, wire.Refusal{
			Index: i, Key: p.batch.Windows[i].Key,
			Code: wire.CodeStoreRefused, Message: oneLine(err),
		})
		return nil
	}
	p.halved = true
	half := len(indexes) / 2
	if err := p.windows(ctx, indexes[:half]); err != nil {
		return err
	}
	return p.windows(ctx, indexes[half:])
}

// piece makes the admission of some windows. Each is dated later than the one
// before: the journal keeps one entry for a site, batch and millisecond, and
// two pieces must not pass for one.
func (p *putting) piece(indexes []int) store.Admission {
	a := p.admission
	a.At = p.desk.Now().Truncate(time.Millisecond)
	if !p.again.IsZero() && !p.halved {
		a.At = p.again
	}
	if !a.At.After(p.last) {
		a.At = p.last.Add(time.Millisecond)
	}
	p.last = a.At
	a.Windows = make([]wire.Window, len(indexes))
	for i, index := range indexes {
		a.Windows[i] = p.batch.Windows[index]
	}
	return a
}

// clip bounds what an answer repeats of a key that was never checked. What
// could be a key stays as it is.
func clip(k wire.Key) wire.Key {
	for _, s := range []*string{&k.Src, &k.Dst, &k.Test} {
		if len(*s) > wire.MaxIdentifier {
			*s = strings.ToValidUTF8((*s)[:wire.MaxIdentifier], "") + "…"
		}
	}
	return k
}

// oneLine makes an error of somebody else fit for an answer.
func oneLine(err error) string {
	const most = 300
	s := strings.Join(strings.Fields(err.Error()), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
