package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/internal/durable"
)

// newTLSKey makes a key for a certificate.
func newTLSKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// writeKey keeps a private key, for its owner only.
func writeKey(dir, file string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return write(dir, file, 0o600, inPEM("PRIVATE KEY", der))
}

// write puts a file in its place at once, and returns when it is durable. It is
// for whom the folder belongs to.
func write(dir, file string, mode fs.FileMode, data []byte) error {
	return hint(dir, durable.Replace(filepath.Join(dir, file), "."+file+"-", mode, func(f *os.File) error {
		if err := giveToOwnerOf(dir, f); err != nil {
			return err
		}
		return durable.Bytes(data)(f)
	}))
}

// hint says who has to be able to write to the folder.
func hint(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; the account that this runs as must be able to write there: chown ACCOUNT %s", err, dir)
	}
	return err
}

// settleAlone settles while nobody else changes the folder.
func settleAlone(dir string) error {
	unlock, err := durable.LockFolder(dir)
	if err != nil {
		return err
	}
	defer unlock()
	return settle(dir)
}

// settle gives the keys of the certificate in force their own names, where a
// renewal or an enrolment was interrupted after it had put the certificate in
// its place. The signing key goes first: as long as enrol-key.pem is there, the
// signing key beside it is the one in force.
func settle(dir string) error {
	chain, err := certificates(dir, certificateFile)
	if err != nil {
		return err
	}
	_, file, err := fittingKey(dir, chain[0])
	if err != nil || file == keyFile {
		return err
	}
	if file == enrolKeyFile {
		err := os.Rename(filepath.Join(dir, enrolSigningFile), filepath.Join(dir, signingFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return hint(dir, err)
		}
		if err := durable.Folder(dir); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(dir, file), filepath.Join(dir, keyFile)); err != nil {
		return hint(dir, err)
	}
	return durable.Folder(dir)
}
