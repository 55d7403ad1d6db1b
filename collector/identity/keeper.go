package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// Keeper follows the files of a listener. Where they are wrong, what was in
// force stays.
type Keeper struct {
	Files  Files
	Every  time.Duration    // between two looks at the files
	Now    func() time.Time // the collector's clock
	Loaded func(*State)     // told of each state once it is in force
	Failed func()           // told of each look at files that are wrong
	Log    *slog.Logger

	current atomic.Pointer[State]
	fault   string // last one reported; "" after a good look
	warned  string
}

// Begin reads the files for the first time.
func (k *Keeper) Begin() error {
	s, err := k.Files.Load(k.Now())
	if err != nil {
		return err
	}
	k.use(s)
	return nil
}

// Run follows the files until the context ends.
func (k *Keeper) Run(ctx context.Context) {
	ticker := time.NewTicker(k.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.Look()
		}
	}
}

// Look reads the files again. It is called by one goroutine.
func (k *Keeper) Look() {
	s, err := k.Files.Load(k.Now())
	if err == nil {
		err = s.supersedes(k.current.Load())
	}
	if err == nil {
		if k.fault != "" {
			k.Log.Info("the TLS files are good again")
		}
		k.fault = ""
		k.use(s)
		return
	}
	k.Failed()
	if err.Error() != k.fault {
		k.fault = err.Error()
		k.Log.Error("the TLS files are wrong, what was in force stays", "error", err)
	}
}

func (k *Keeper) use(s *State) {
	before := k.current.Load()
	changed := before == nil || !before.same(s)
	all := ""
	for _, w := range s.Warnings {
		all += w + "\n"
	}
	if all != k.warned {
		k.warned = all
		for _, w := range s.Warnings {
			k.Log.Warn("tls: " + w)
		}
	}
	if !changed {
		return
	}
	s.config = k.config(s)
	k.current.Store(s)
	k.Loaded(s)
	if before != nil {
		k.Log.Info("the TLS files were read again", "certificate_ends", moment(s.Certificate.Leaf.NotAfter), "authorities", len(s.Authorities), "revoked", s.Revoked())
	}
}

// same tells whether two states came from the same files.
func (s *State) same(o *State) bool {
	if len(s.Certificate.Certificate) != len(o.Certificate.Certificate) || len(s.Authorities) != len(o.Authorities) || len(s.Lists) != len(o.Lists) {
		return false
	}
	for i, der := range s.Certificate.Certificate {
		if string(der) != string(o.Certificate.Certificate[i]) {
			return false
		}
	}
	for i, c := range s.Authorities {
		if !c.Equal(o.Authorities[i]) {
			return false
		}
	}
	for i, l := range s.Lists {
		if string(l.Raw) != string(o.Lists[i].Raw) {
			return false
		}
	}
	return true
}

// Current is the state in force.
func (k *Keeper) Current() *State { return k.current.Load() }

// TLS is the configuration of a listener: TLS 1.3, HTTP/2 and 1.1, a
// certificate of the client verified where it shows one.
func (k *Keeper) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2", "http/1.1"},
		// Session tickets stay good over a change of the files, because their
		// keys are those of this configuration; who comes by one is judged anew.
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.current.Load().config, nil },
	}
}

func (k *Keeper) config(s *State) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{s.Certificate},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    s.pool,
		Time:         k.Now,
		// It runs for resumed sessions too, of which VerifyPeerCertificate and
		// the verification of the chain hear nothing.
		VerifyConnection: func(c tls.ConnectionState) error {
			if len(c.PeerCertificates) == 0 {
				return nil
			}
			return k.current.Load().verify(c.PeerCertificates, k.Now())
		},
	}
}

// Site tells which site a connection comes from. It is asked for each request,
// because connections live long. The error is ErrNone, *Ended or *Foreign.
func (k *Keeper) Site(c *tls.ConnectionState) (string, error) {
	if c == nil || len(c.PeerCertificates) == 0 {
		return "", ErrNone
	}
	return k.current.Load().site(c.PeerCertificates, k.Now())
}

// Known tells whether a client has shown a certificate that is in force, whatever
// it names.
func (k *Keeper) Known(c *tls.ConnectionState) bool {
	_, err := k.Site(c)
	var foreign *Foreign
	return err == nil || errors.As(err, &foreign)
}
