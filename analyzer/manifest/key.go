package manifest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/fibergauge/fibergauge/internal/keyfile"
)

// Algorithm is one by which manifests are signed.
type Algorithm string

// Algorithms. The bytes of a signature are those that openssl makes and checks,
// with nothing around them.
const (
	// Ed25519 is that of RFC 8032: 64 bytes, the same for the same manifest.
	Ed25519 Algorithm = "ed25519"
	// SM2 is that of GB/T 32918.2 with SM3 (GB/T 32905) and the user id below,
	// over the curve of GB/T 32918.5: r and s as an ASN.1 sequence, other bytes
	// each time.
	SM2 Algorithm = "sm2"
)

// UserID is the one that GM/T 0009 gives for signatures by SM2 where nothing
// else was agreed.
const UserID = "1234567812345678"

// publicKey is the type of a public key's block in PEM.
const publicKey = "PUBLIC KEY"

// MaxSignatureBytes is more than a signature of any algorithm has.
const MaxSignatureBytes = 128

// PrivateKey signs.
type PrivateKey struct {
	signer crypto.Signer // ed25519.PrivateKey or *sm2.PrivateKey
	public *PublicKey
}

// PublicKey checks.
type PublicKey struct {
	algorithm Algorithm
	key       crypto.PublicKey // ed25519.PublicKey or *ecdsa.PublicKey on the curve of SM2
	der       []byte
}

// Generate makes a key.
func Generate(a Algorithm) (*PrivateKey, error) {
	switch a {
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return privateKey(key)
	case SM2:
		key, err := sm2.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return privateKey(key)
	}
	return nil, fmt.Errorf("algorithm %.40q is not known; give %s or %s", a, Ed25519, SM2)
}

func privateKey(key any) (*PrivateKey, error) {
	k := &PrivateKey{}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		k.signer = key
	case *sm2.PrivateKey:
		k.signer = key
	case *ecdsa.PrivateKey:
		return nil, errors.New("it is an ECDSA key of another curve than SM2's")
	default:
		return nil, fmt.Errorf("it is a %T", key)
	}
	der, err := smx509.MarshalPKIXPublicKey(k.signer.Public())
	if err != nil {
		return nil, err
	}
	k.public, err = ParsePublicKey(der)
	return k, err
}

// Public is the key that checks what this one signed.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// PEM is the key in PKCS #8 (RFC 5958).
func (k *PrivateKey) PEM() ([]byte, error) {
	der, err := smx509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Sign signs the canonical bytes of a manifest.
func (k *PrivateKey) Sign(canonical []byte) ([]byte, error) {
	if key, ok := k.signer.(*sm2.PrivateKey); ok {
		// The library would give the same bytes each time for a reader of nothing
		// but zeros. It does not promise that, and in a version that drew its nonce
		// from there the key would be lost.
		return key.SignWithSM2(rand.Reader, []byte(UserID), canonical)
	}
	return k.signer.Sign(nil, canonical, crypto.Hash(0))
}

// ParsePublicKey reads a SubjectPublicKeyInfo in DER.
func ParsePublicKey(der []byte) (*PublicKey, error) {
	parsed, err := smx509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("its public key cannot be read; Ed25519 and SM2 are")
	}
	k := &PublicKey{key: parsed, der: der}
	switch key := parsed.(type) {
	case ed25519.PublicKey:
		k.algorithm = Ed25519
	case *ecdsa.PublicKey:
		if key.Curve != sm2.P256() {
			return nil, fmt.Errorf("its public key is ECDSA on %s; Ed25519 and SM2 are read", key.Curve.Params().Name)
		}
		k.algorithm = SM2
	default:
		return nil, fmt.Errorf("its public key is a %T; Ed25519 and SM2 are read", parsed)
	}
	// A key has one id: another way of writing it would have another.
	if again, err := smx509.MarshalPKIXPublicKey(parsed); err != nil || !bytes.Equal(again, der) {
		return nil, errors.New("its public key is not in the usual form; openssl pkey -pubin brings it there")
	}
	return k, nil
}

// Algorithm is that of the key.
func (k *PublicKey) Algorithm() Algorithm { return k.algorithm }

// ID names the key: the SHA-256 of its DER, in hex.
func (k *PublicKey) ID() string { return Hash(k.der) }

// PEM is the key as a SubjectPublicKeyInfo.
func (k *PublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicKey, Bytes: k.der})
}

// Verify tells whether a signature is by this key over these bytes.
func (k *PublicKey) Verify(canonical, signature []byte) bool {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, canonical, signature)
	case *ecdsa.PublicKey:
		return sm2.VerifyASN1WithSM2(key, []byte(UserID), canonical, signature)
	}
	return false
}

// ReadPrivateKey reads a key of PKCS #8 in PEM that nobody but its owner can
// read. The errors tell nothing of the key.
func ReadPrivateKey(path string) (*PrivateKey, error) {
	data, err := keyfile.ReadPrivate(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w; signing-key new makes a key", err)
	case err != nil:
		// A public key may be open to all, and to close it would not help.
		if _, public := ReadPublicKey(path); public == nil {
			return nil, errNotPrivate(path)
		}
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block != nil && block.Type == publicKey {
		return nil, errNotPrivate(path)
	}
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s holds no private key in PKCS #8 (BEGIN PRIVATE KEY); signing-key new makes one, and so does openssl pkcs8 -topk8 -nocrypt of another form", path)
	}
	parsed, err := smx509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no key that can be read; it has to be Ed25519 or SM2 in PKCS #8", path)
	}
	key, err := privateKey(parsed)
	if err != nil {
		return nil, fmt.Errorf("%s does not sign reports: %w; it has to be Ed25519 or SM2", path, err)
	}
	return key, nil
}

func errNotPrivate(path string) error {
	return fmt.Errorf("%s holds a public key, by which reports are verified; give the private one that belongs to it", path)
}

// ReadPublicKey reads a public key in PEM.
func ReadPublicKey(path string) (*PublicKey, error) {
	data, _, err := keyfile.Read(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != publicKey {
		return nil, fmt.Errorf("%s holds no public key (BEGIN PUBLIC KEY); signing-key show KEY prints that of a private one", path)
	}
	key, err := ParsePublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
