package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest is the SHA-256 of canonical bytes.
type Digest [sha256.Size]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes hex.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads hex.
func (d *Digest) UnmarshalText(text []byte) error {
	if !IsDigest(string(text)) {
		return fmt.Errorf("%.80q is not a SHA-256 in hex", text)
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// Canonical gives the canonical bytes of a window: its JSON with the fields in
// the order of the schema, no white space, absent groups left out, numbers in
// their shortest form. Every check that passes through Check leaves only texts
// for which JSON has one spelling, so equal windows have equal bytes.
func (w *Window) Canonical() []byte { return canonical(w) }

// Digest is the hash of the canonical bytes.
func (w *Window) Digest() Digest { return sha256.Sum256(w.Canonical()) }

// Encode gives the bytes of a batch as they are posted.
func (b *Batch) Encode() []byte { return canonical(b) }

// Canonical gives the canonical bytes of a batch: what is signed, and what its
// digest is made of. They name the windows by their digests, so that a
// signature can be checked years later from the journal alone, also where
// windows of the batch were refused.
func (b *Batch) Canonical() []byte { return Statement(b.Site, b.Digests()) }

// Digests are those of the windows, in order.
func (b *Batch) Digests() []Digest {
	digests := make([]Digest, len(b.Windows))
	for i := range b.Windows {
		digests[i] = b.Windows[i].Digest()
	}
	return digests
}

// Statement gives the canonical bytes of a batch by which a site says that it
// made windows of these digests.
func Statement(site string, windows []Digest) []byte {
	texts := make([]string, len(windows))
	for i, d := range windows {
		texts[i] = d.String()
	}
	return canonical(struct {
		Schema  string   `json:"schema"`
		Site    string   `json:"site"`
		Windows []string `json:"windows"` // SHA-256 of the canonical bytes of each, hex
	}{SchemaBatch, site, texts})
}

// Digest is the hash of the canonical bytes.
func (b *Batch) Digest() Digest { return sha256.Sum256(b.Canonical()) }

func canonical(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// The types hold nothing that JSON cannot carry, and Check has refused
		// NaN and infinities.
		panic(fmt.Sprintf("wire: %v", err))
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
}
