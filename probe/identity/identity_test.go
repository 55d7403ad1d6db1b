package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func month() (from, until time.Time) {
	return time.Now().Add(-time.Minute), time.Now().AddDate(0, 0, 30)
}

func TestRead(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	put := func(name, data string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600) }
	}
	chmod := func(name string, mode os.FileMode) func(string) error {
		return func(dir string) error { return os.Chmod(filepath.Join(dir, name), mode) }
	}
	remove := func(name string) func(string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	for _, tt := range []struct {
		name, site string
		change     func(dir string) error
		want       string // DIR is the folder
	}{
		{"good", "zjk-a", nil, ""},
		{"without a signing key", "zjk-a", remove(signingFile), ""},
		{"of another site", "zjk-b", nil, "the certificate in DIR is of site zjk-a, not of zjk-b; correct --site or --identity"},
		{"key open to the group", "zjk-a", chmod(keyFile, 0o640), "DIR/key.pem is open to others than its owner (mode 0640); a key must not be: chmod 600 DIR/key.pem"},
		{"signing key open to all", "zjk-a", chmod(signingFile, 0o604), "DIR/signing-key.pem is open to others than its owner (mode 0604); a key must not be: chmod 600 DIR/signing-key.pem"},
		{"folder that others can change", "zjk-a", chmod(".", 0o770), "DIR can be changed by others than its owner (mode 0770); whoever does speaks for the site: chmod 700 DIR"},
		{"no folder", "zjk-a", os.RemoveAll, "DIR is missing; enrol this probe first: fibergauge-probe enrol --identity DIR"},
		{"no certificate", "zjk-a", remove(certificateFile), "DIR/certificate.pem is missing; enrol this probe first: fibergauge-probe enrol --identity DIR"},
		{"no root", "zjk-a", remove(authorityFile), "DIR/authority.pem is missing; enrol this probe first: fibergauge-probe enrol --identity DIR"},
		{"no key", "zjk-a", remove(keyFile), "DIR/key.pem is missing; enrol this probe (fibergauge-probe enrol), or put the key of certificate.pem there"},
		{"another key", "zjk-a", func(dir string) error { return writeKey(dir, keyFile, newKey(t)) },
			"DIR/key.pem is not the key of certificate.pem in the same folder; put both of one pair there, or enrol again (fibergauge-probe enrol --again)"},
		{"key that is none", "zjk-a", put(keyFile, "hello"), "DIR/key.pem holds no PEM; a key in PKCS #8 is needed (BEGIN PRIVATE KEY)"},
		{"key of another form", "zjk-a", put(keyFile, "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"),
			`DIR/key.pem holds a "EC PRIVATE KEY"; a key in PKCS #8 is needed (openssl pkcs8 -topk8 -nocrypt makes one of it)`},
		{"damaged key", "zjk-a", put(keyFile, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
			"DIR/key.pem holds no key that can be read; it has to be RSA, ECDSA or Ed25519 in PKCS #8"},
		{"signing key of another kind", "zjk-a", func(dir string) error { return writeKey(dir, signingFile, newKey(t)) },
			"DIR/signing-key.pem holds no Ed25519 key; batches are signed by no other (openssl genpkey -algorithm ed25519 makes one)"},
		{"empty authority", "zjk-a", put(authorityFile, ""), "DIR/authority.pem holds no certificate in PEM"},
		{"a key among the certificates", "zjk-a", put(certificateFile, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
			`DIR/certificate.pem holds a "PRIVATE KEY"; only certificates belong there`},
		{"certificate of nobody", "zjk-a", put(certificateFile, string(inPEM("CERTIFICATE", a.root.Raw))),
			"DIR/certificate.pem: the certificate names 0 URIs; it has to name one, spiffe://fibergauge/site/ID"},
		{"a folder for a file", "zjk-a", func(dir string) error {
			return os.Mkdir(filepath.Join(dir, renewKeyFile), 0o700) // of no matter while another key fits
		}, ""},
		{"a file without an end", "zjk-a", put(authorityFile, strings.Repeat("x", maxFile+1)), "DIR/authority.pem is above 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := a.folder("zjk-a", from, until)
			if tt.change != nil {
				if err := tt.change(dir); err != nil {
					t.Fatal(err)
				}
			}
			id, err := Read(dir, tt.site)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
			if err == nil && (id.Site != "zjk-a" || len(id.Certificate.Certificate) != 2 || (id.Signing == nil) != (tt.name == "without a signing key")) {
				t.Errorf("read %+v", id)
			}
		})
	}
}

// TestReadsRSA: an authority of one's own may use RSA.
func TestReadsRSA(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	dir := a.folder("zjk-a", from, until)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	own := a.issue("zjk-a", &key.PublicKey, from, until)
	if err := writeKey(dir, keyFile, key); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, certificateFile, 0o644, inPEM("CERTIFICATE", own.Raw)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir, "zjk-a"); err != nil {
		t.Error(err)
	}
}

func TestInForce(t *testing.T) {
	a := newAuthority(t)
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	id, err := Read(a.folder("zjk-a", from, from.AddDate(0, 0, 30)), "zjk-a")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		now  time.Time
		want string
	}{
		{from.Add(time.Hour), ""},
		{from.AddDate(-1, 0, 0), "the clock of this host says 2025-03-01T00:00:00Z, and the certificate of site zjk-a begins at 2026-03-01T00:00:00Z: set the clock"},
		{from.AddDate(0, 0, 31), "the certificate of site zjk-a ended at 2026-03-31T00:00:00Z: have a token made by fibergauge-collector pki token zjk-a and enrol again (fibergauge-probe enrol); if it is not 2026-04-01T00:00:00Z now, set the clock"},
	} {
		got := ""
		if err := id.InForce(tt.now); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("at %v: %s\nwant %s", tt.now, got, tt.want)
		}
	}
}

// TestInterruptedSwap takes every state that a power cut can leave between the
// writes of an enrolment or a renewal: a reader finds one whole identity, and
// the next start puts the files in their places.
func TestInterruptedSwap(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	for _, pending := range []string{renewKeyFile, enrolKeyFile} {
		old, fresh := a.folder("zjk-a", from, until), a.folder("zjk-a", from, until)
		before, after := contents(t, old), contents(t, fresh)
		if pending == renewKeyFile {
			after[signingFile] = before[signingFile]
		}
		// The writes and renames, one after the other.
		state := maps.Clone(before)
		steps := []func(){
			func() {},
			func() { state[pending] = after[keyFile] },
			func() { state[enrolSigningFile] = after[signingFile] },
			func() { state[certificateFile] = after[certificateFile] },
			func() { state[signingFile] = after[signingFile]; delete(state, enrolSigningFile) },
			func() { state[keyFile] = after[keyFile]; delete(state, pending) },
		}
		if pending == renewKeyFile {
			steps = slices.Delete(steps, 2, 3)
			steps = slices.Delete(steps, 3, 4)
		}
		for i, step := range steps {
			step()
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for name, data := range state {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := old
			if state[certificateFile] == after[certificateFile] {
				want = fresh
			}
			whole, err := Read(want, "zjk-a")
			if err != nil {
				t.Fatal(err)
			}
			if pending == renewKeyFile {
				first, err := Read(old, "zjk-a")
				if err != nil {
					t.Fatal(err)
				}
				whole.Signing = first.Signing
			}
			holds := func(when string) {
				t.Helper()
				id, err := Read(dir, "zjk-a")
				if err != nil {
					t.Errorf("%s, step %d, %s: %v", pending, i, when, err)
					return
				}
				if !id.Certificate.Leaf.Equal(whole.Certificate.Leaf) || !id.Certificate.PrivateKey.(*ecdsa.PrivateKey).Equal(whole.Certificate.PrivateKey) ||
					!id.Signing.Equal(whole.Signing) {
					t.Errorf("%s, step %d, %s: another identity", pending, i, when)
				}
			}
			holds("as it was left")
			if err := settle(dir); err != nil {
				t.Error(err)
			}
			holds("at the next start")
			if got := contents(t, dir); want == fresh && !cmp.Equal(slices.Sorted(maps.Keys(got)), []string{authorityFile, certificateFile, keyFile, signingFile}) {
				t.Errorf("%s, step %d: left %v", pending, i, slices.Sorted(maps.Keys(got)))
			}
		}
	}
}

// TestFolderFollowsItsFiles: what is changed by hand is taken, and what cannot
// be used is said once and not taken.
func TestFolderFollowsItsFiles(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	dir := a.folder("zjk-a", from, until)
	log := &logtest.Buffer{}
	f, err := Open(dir, "zjk-a", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	first := f.Current()
	if f.Current() != first {
		t.Error("read again without a change")
	}
	other := a.folder("zjk-a", from, until)
	for name, data := range contents(t, other) {
		if err := write(dir, name, 0o600, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if f.Current() == nil || f.Current().Certificate.PrivateKey == nil {
			t.Fatal("no identity in the midst of a change")
		}
	}
	whole, err := Read(other, "zjk-a")
	if err != nil {
		t.Fatal(err)
	}
	if !f.Current().Certificate.Leaf.Equal(whole.Certificate.Leaf) {
		t.Error("the new certificate is not in force")
	}
	var batch wire.Batch
	f.Sign(&batch)
	if err := batch.Signature.Verify(whole.Signing.Public().(ed25519.PublicKey), batch.Canonical()); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, certificateFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	said := strings.Count(log.String(), "cannot be used")
	for range 3 {
		if !f.Current().Certificate.Leaf.Equal(whole.Certificate.Leaf) {
			t.Error("the last good identity is gone")
		}
	}
	if n := strings.Count(log.String(), "cannot be used") - said; n != 1 {
		t.Errorf("said %d times:\n%s", n, log)
	}
}

func FuzzFolder(f *testing.F) {
	a := newAuthority(f)
	from, until := month()
	for name, data := range contents(f, a.folder("zjk-a", from, until)) {
		f.Add(name, []byte(data))
	}
	base := a.folder("zjk-a", from, until)
	dir := f.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		for own, good := range contents(t, base) {
			if own == name {
				good = string(data)
			}
			if err := os.WriteFile(filepath.Join(dir, own), []byte(good), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if id, err := Read(dir, "zjk-a"); err == nil && !fits(id.Certificate.PrivateKey.(*ecdsa.PrivateKey), id.Certificate.Leaf) {
			t.Error("a key that does not fit was taken")
		}
	})
}
