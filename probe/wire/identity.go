package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// DefaultTrustDomain is the trust domain of certificates unless the operators of
// a mesh agree on another.
const DefaultTrustDomain = "fibergauge"

// SiteURI names a site in the certificate of its probe:
// spiffe://TRUST-DOMAIN/site/ID.
func SiteURI(domain, site string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: domain, Path: "/site/" + site}
}

// SiteOf gives the site that the URIs of a certificate name: there has to be one
// URI, of the form of SiteURI and of the trust domain.
func SiteOf(domain string, uris []*url.URL) (string, error) {
	if len(uris) != 1 {
		return "", fmt.Errorf("the certificate names %d URIs; it has to name one, %s", len(uris), SiteURI(domain, "ID"))
	}
	site, ok := strings.CutPrefix(uris[0].Path, "/site/")
	// Compared as text, so that no second spelling names the same site.
	if !ok || !IsIdentifier(site) || uris[0].String() != SiteURI(domain, site).String() {
		return "", fmt.Errorf("the certificate names %.200q, which is not %s", uris[0], SiteURI(domain, "ID"))
	}
	return site, nil
}

// AlgorithmEd25519 is the only algorithm of signatures.
const AlgorithmEd25519 = "ed25519"

// KeyID names a public key in signatures: its SHA-256 in hex.
func KeyID(key ed25519.PublicKey) string { return Digest(sha256.Sum256(key)).String() }

// Sign signs the canonical bytes of the batch.
func (b *Batch) Sign(key ed25519.PrivateKey) {
	b.Signature = &Signature{
		Algorithm: AlgorithmEd25519, KeyID: KeyID(key.Public().(ed25519.PublicKey)),
		Value: ed25519.Sign(key, b.Canonical()),
	}
}

// Verify tells whether the signature is of a key over canonical bytes.
func (s *Signature) Verify(key ed25519.PublicKey, canonical []byte) error {
	switch {
	case s.Algorithm != AlgorithmEd25519:
		return fmt.Errorf("the signature is by %.80q; only %s is known", s.Algorithm, AlgorithmEd25519)
	case len(key) != ed25519.PublicKeySize || s.KeyID != KeyID(key):
		return errors.New("the signature is of another key")
	case !ed25519.Verify(key, canonical, s.Value):
		return errors.New("the signature is not of these windows")
	}
	return nil
}

// Token lets a site enrol once. Whoever has it may do so until it expires; it
// names the authority too, so that the probe knows whom to believe.
type Token struct {
	Site      string `json:"site"`
	Secret    []byte `json:"secret"`
	Authority Digest `json:"authority"` // SHA-256 of the root certificate (DER)
}

// TokenSecretBytes is the length of a token's secret.
const TokenSecretBytes = 32

const tokenPrefix = "fgt1."

// String is the token as people pass it on.
func (t Token) String() string {
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(canonical(t))
}

// ParseToken reads what String gave.
func ParseToken(s string) (Token, error) {
	var t Token
	coded, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	if !ok || len(coded) > 1000 {
		return t, errors.New("is not a token: one begins with " + tokenPrefix + " and is printed by fibergauge-collector pki token")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(coded)
	if err == nil {
		err = decode(data, &t)
	}
	if err != nil || !IsIdentifier(t.Site) || len(t.Secret) != TokenSecretBytes {
		return Token{}, errors.New("is damaged: copy the whole token, or have another made by fibergauge-collector pki token")
	}
	return t, nil
}

// Schemas of enrolment.
const (
	SchemaEnrolment   = "fibergauge.enrolment/1"
	SchemaCertificate = "fibergauge.certificate/1"
)

// Enrolment asks for a certificate: by a token at POST /v1/enrol, or by the
// certificate in force at POST /v1/sites/{site}/certificate. A lost answer may
// be asked for again with the same keys.
type Enrolment struct {
	Schema  string `json:"schema"`
	Token   string `json:"token,omitempty"` // Token.String; absent where the certificate in force speaks
	Request []byte `json:"request"`         // PKCS #10, DER; its subject and names count for nothing
	// SigningKey is the Ed25519 public key that will sign the batches, and
	// SigningProof its signature over Request: nobody enrols another's key.
	SigningKey   []byte `json:"signing_key"`
	SigningProof []byte `json:"signing_proof"`
}

// Certificate answers an Enrolment.
type Certificate struct {
	Schema string   `json:"schema"`
	Chain  [][]byte `json:"chain"` // DER, the site's own first, without the root
	Root   []byte   `json:"root"`  // DER
}

// DecodeEnrolment reads an enrolment strictly. Whether it is to be believed is
// another question.
func DecodeEnrolment(data []byte) (*Enrolment, error) {
	var e Enrolment
	if err := decode(data, &e); err != nil {
		return nil, err
	}
	switch {
	case e.Schema != SchemaEnrolment:
		return nil, fmt.Errorf("schema: %.80q is not %q", e.Schema, SchemaEnrolment)
	case len(e.SigningKey) != ed25519.PublicKeySize:
		return nil, fmt.Errorf("signing_key: has %d bytes; a public key of Ed25519 has %d", len(e.SigningKey), ed25519.PublicKeySize)
	case !ed25519.Verify(e.SigningKey, e.Request, e.SigningProof):
		return nil, errors.New("signing_proof: is not the signature of signing_key over request")
	}
	return &e, nil
}

// DecodeCertificate reads the answer to an enrolment strictly.
func DecodeCertificate(data []byte) (*Certificate, error) {
	var c Certificate
	if err := decode(data, &c); err != nil {
		return nil, err
	}
	switch {
	case c.Schema != SchemaCertificate:
		return nil, fmt.Errorf("schema: %.80q is not %q", c.Schema, SchemaCertificate)
	case len(c.Chain) == 0 || len(c.Chain) > 10:
		return nil, fmt.Errorf("chain: has %d certificates; 1 to 10 are allowed", len(c.Chain))
	}
	return &c, nil
}
