package admission

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	// replaysAge is how long a batch that comes again passes for a repetition.
	replaysAge = time.Hour
	// replaysOfSite is how many batches of a site are remembered.
	replaysOfSite = 64
)

// replays remembers when batches were admitted, so that one that comes again
// goes to the store with the same moment: for the journal keeps one entry of a
// site, batch and moment, and a site that sends one batch over and over does not
// make it grow. The store is asked all the same, and what it has lost meanwhile
// is stored again. The zero value is empty; it is bounded, because only sites
// that a mesh names get so far.
type replays struct {
	mu    sync.Mutex // protects all following fields
	sites map[string]*recent
}

// recent is a ring.
type recent struct {
	batches [replaysOfSite]admitted
	next    int
}

type admitted struct {
	same [sha256.Size]byte
	at   time.Time
}

// sameness tells one admission from another: the batch, its signature, the mesh
// that was served and which of its windows were good.
func sameness(ack *wire.Ack, signature *wire.Signature, good []int) [sha256.Size]byte {
	text := []byte(ack.Batch + " " + ack.MeshSHA256 + " ")
	if signature != nil {
		text = append(text, signature.KeyID+" "+string(signature.Value)...)
	}
	for _, i := range good {
		text = binary.BigEndian.AppendUint32(text, uint32(i))
	}
	return sha256.Sum256(text)
}

// admitted gives when the same was admitted; zero if that is not remembered.
func (r *replays) admitted(site string, same [sha256.Size]byte, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.sites[site]; known != nil {
		for i := range known.batches {
			one := &known.batches[i]
			if age := now.Sub(one.at); one.same == same && age >= 0 && age < replaysAge {
				return one.at
			}
		}
	}
	return time.Time{}
}

// note remembers an admission, in the place of the oldest.
func (r *replays) note(site string, same [sha256.Size]byte, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sites == nil {
		r.sites = map[string]*recent{}
	}
	known := r.sites[site]
	if known == nil {
		known = &recent{}
		r.sites[site] = known
	}
	known.batches[known.next] = admitted{same, at}
	known.next = (known.next + 1) % replaysOfSite
}
