package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Folder is the identity of a site as it stands in its folder now: the files
// are read again whenever they have changed.
type Folder struct {
	dir, site string
	log       *slog.Logger

	mu     sync.Mutex // protects all following fields
	now    *Identity
	stamps [files]stamp // of the files that now was read from
	failed [files]stamp // of files that could not be read
}

// files is how many files are watched.
const files = 7

// stamp tells one state of a file from another.
type stamp struct {
	info os.FileInfo // nil: there is none
}

func (s stamp) equal(other stamp) bool {
	if s.info == nil || other.info == nil {
		return s.info == other.info
	}
	return os.SameFile(s.info, other.info) && s.info.ModTime().Equal(other.info.ModTime()) &&
		s.info.Size() == other.info.Size() && s.info.Mode() == other.info.Mode()
}

func equal(a, b [files]stamp) bool {
	for i := range a {
		if !a[i].equal(b[i]) {
			return false
		}
	}
	return true
}

// Open reads the identity of a site from a folder; see Read.
func Open(dir, site string, log *slog.Logger) (*Folder, error) {
	f := &Folder{dir: dir, site: site, log: log}
	f.stamps = f.look()
	var err error
	f.now, err = Read(dir, site)
	return f, err
}

// Site is the site whose identity it is.
func (f *Folder) Site() string { return f.site }

// Current is the identity as it stands in the folder. Where that cannot be read
// any longer, as in the midst of a change by hand, the last one stays in force.
func (f *Folder) Current() *Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamps := f.look()
	if equal(stamps, f.stamps) || equal(stamps, f.failed) {
		return f.now
	}
	id, err := Read(f.dir, f.site)
	if err != nil {
		f.failed = stamps
		f.log.Error("the identity has changed and cannot be used; the last one stays in force", "error", err)
		return f.now
	}
	f.stamps = stamps
	if id.equal(f.now) {
		return f.now
	}
	f.log.Info("another identity is in force", "until", moment(id.Certificate.Leaf.NotAfter))
	f.now = id
	return id
}

// equal tells whether nothing differs but the names of the files.
func (id *Identity) equal(other *Identity) bool {
	same := func(a, b []byte) bool { return bytes.Equal(a, b) }
	return slices.EqualFunc(id.Certificate.Certificate, other.Certificate.Certificate, same) &&
		slices.EqualFunc(id.Roots, other.Roots, (*x509.Certificate).Equal) && bytes.Equal(id.Signing, other.Signing)
}

func (f *Folder) look() [files]stamp {
	var stamps [files]stamp
	for i, name := range [files]string{keyFile, certificateFile, authorityFile, signingFile, renewKeyFile, enrolKeyFile, enrolSigningFile} {
		if info, err := os.Stat(filepath.Join(f.dir, name)); err == nil {
			stamps[i].info = info
		}
	}
	return stamps
}

// Sign signs a batch if the folder has a key to sign with.
func (f *Folder) Sign(b *wire.Batch) {
	if key := f.Current().Signing; key != nil {
		b.Sign(key)
	}
}

// TLS is how a client of this identity speaks: by TLS 1.3 only, to a server
// that the roots vouch for by the name that it was reached by.
func (id *Identity) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    pool(id.Roots),
		// Shown whatever authorities the collector names: where it does not
		// like the certificate, it is to say so.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &id.Certificate, nil },
		Time:                 time.Now,
	}
}
