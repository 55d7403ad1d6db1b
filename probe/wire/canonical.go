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

// Canonical gives the canonical bytes of a window: its JSON with the fields in
// the order of the schema, no white space, absent groups left out, numbers in
// their shortest form. Every check that passes through Check leaves only texts
// for which JSON has one spelling, so equal windows have equal bytes.
func (w *Window) Canonical() []byte { return canonical(w) }

// Digest is the hash of the canonical bytes.
func (w *Window) Digest() Digest { return sha256.Sum256(w.Canonical()) }

// Canonical gives the canonical bytes of a batch without its signature: what
// is signed, and what the digest is made of.
func (b *Batch) Canonical() []byte {
	unsigned := *b
	unsigned.Signature = nil
	return canonical(&unsigned)
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
