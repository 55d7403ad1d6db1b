package identity

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

const (
	// lookAgain is how often the folder and the clock are looked at, which
	// others may change.
	lookAgain = time.Minute
	// The first and the longest pause after a failure; both are shorter where
	// the certificate lives for days only.
	firstPause, longestPause = time.Minute, time.Hour
)

// Renewal renews the certificate of a folder through the collector when a third
// of its life is left, each time with a new key. The signing key stays.
type Renewal struct {
	Folder    *Folder
	Client    *http.Client // that speaks with the identity of the folder
	Collector string       // https URL without a path at its end
	UserAgent string
	Log       *slog.Logger
}

// Run renews until the context ends.
func (r *Renewal) Run(ctx context.Context) {
	// What an interrupted renewal or enrolment left is put in its place; where
	// the folder cannot be written, it is found where it is.
	if err := settleAlone(r.Folder.dir); err != nil {
		r.Log.Debug("the identity is left as it is", "error", err)
	}
	var of *x509.Certificate
	var due time.Time
	var pause time.Duration
	for ctx.Err() == nil {
		id := r.Folder.Current()
		own := id.Certificate.Leaf
		life := own.NotAfter.Sub(own.NotBefore)
		if of == nil || !of.Equal(own) {
			// Probes that enrolled together are not to renew together.
			of, pause, due = own, 0, own.NotAfter.Add(-life/3+rand.N(life/60+1))
		}
		if wait := time.Until(due); wait > 0 {
			sleep(ctx, min(wait, lookAgain))
			continue
		}
		err := r.renew(ctx, id)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			until := r.Folder.Current().Certificate.Leaf.NotAfter
			r.Log.Info("the certificate was renewed", "until", moment(until))
			// An authority that ends soon gives certificates that are due at once.
			sleep(ctx, min(max(life/30, time.Second), lookAgain))
			continue
		}
		pause = min(max(2*pause, min(firstPause, life/300)), min(longestPause, life/30))
		again := max(pause/2+rand.N(pause/2+1), time.Second)
		var no *refused
		if errors.As(err, &no) {
			again = max(again, min(no.after, longestPause))
		}
		due = time.Now().Add(again)
		r.Log.Warn("the certificate could not be renewed", "ends", moment(own.NotAfter), "again_in", again.Round(time.Second), "error", err)
	}
}

// renew does it once.
func (r *Renewal) renew(ctx context.Context, id *Identity) error {
	dir := r.Folder.dir
	if err := id.InForce(time.Now()); err != nil {
		return err
	}
	if id.Signing == nil {
		return fmt.Errorf("there is no %s, so this identity was not enrolled here: put a new certificate and key into %s before it ends", signingFile, dir)
	}
	key, err := renewKey(dir)
	if err != nil {
		return err
	}
	ask, err := request(id.Site, key, id.Signing)
	if err != nil {
		return err
	}
	answer, err := post(ctx, r.Client, r.Collector+"/v1/sites/"+url.PathEscape(id.Site)+"/certificate", r.UserAgent, ask)
	var no *refused
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return fmt.Errorf("%w; this collector renews nothing, only one with --pki does: name that with --renewal-collector, or put a new certificate and key into %s before it ends", no, dir)
	}
	if err != nil {
		return err
	}
	c, err := check(answer, id.Site, key, time.Now())
	if err != nil {
		return err
	}
	return c.install(dir, with(id.Roots, c.root), id.Certificate.Leaf)
}

// renewKey is the key to ask with: that of a renewal that was interrupted, or a
// new one.
func renewKey(dir string) (crypto.Signer, error) {
	if key, err := privateKey(dir, renewKeyFile); err == nil && key != nil {
		return key, nil
	}
	key, err := newTLSKey()
	if err != nil {
		return nil, err
	}
	if err := writeKey(dir, renewKeyFile, key); err != nil {
		return nil, fmt.Errorf("keep the new key: %w", err)
	}
	return key, nil
}

// sleep waits, but not beyond the end of the context.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
