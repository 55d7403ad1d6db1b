// Package manifest is what is signed of a report that is filed: a list of its
// files with their SHA-256, the key that signs, and the form of the signature.
// Package filing writes and checks what lies in folders.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Schema names the version of the manifest's form.
const Schema = "fibergauge.manifest/1"

// Limits of what is read: far above what is written, and small enough for a
// file that a stranger sent.
const (
	MaxBytes = 1 << 20
	maxFiles = 2000
	maxName  = 200 // bytes
)

// Manifest names the files of one revision of a report. Its canonical bytes,
// which are hashed and signed, are its JSON with the fields in this order,
// indented by two spaces, with a newline at its end.
type Manifest struct {
	Schema       string    `json:"schema"`
	GeneratedBy  string    `json:"generated_by"` // program and version
	Period       Period    `json:"period"`
	Revision     int       `json:"revision"`           // the first is 1
	Replaces     *Replaced `json:"replaces,omitempty"` // absent of the first
	MeshSHA256   string    `json:"mesh_sha256"`        // these three as in the report
	PolicySHA256 string    `json:"policy_sha256"`
	DataSHA256   string    `json:"data_sha256"`
	Files        []File    `json:"files"`            // by name, byte by byte
	Signer       *Signer   `json:"signer,omitempty"` // absent: not signed
}

// Period is that of the report, [from, to), in RFC 3339.
type Period struct {
	From     string `json:"from"`
	To       string `json:"to"`
	TimeZone string `json:"time_zone"`
}

// Replaced names the revision before by its manifest.
type Replaced struct {
	Revision       int    `json:"revision"`
	ManifestSHA256 string `json:"manifest_sha256"`
}

// File is one that lies beside the manifest.
type File struct {
	Name      string `json:"name"` // without a folder
	SizeBytes int64  `json:"size_bytes"`
	SHA256    string `json:"sha256"`
	// BlockSHA256 are the digests of its blocks of BlockBytes, one after the
	// other, the last of what is left; of the JSON report only, of which all other
	// files are made, and only up to maxBlocked. They show where an altered one
	// differs, and decide nothing.
	BlockSHA256 []byte `json:"block_sha256,omitempty"`
}

// BlockBytes is the size of the blocks of a file.
const BlockBytes = 1024

// maxBlocked is how many bytes a file may have of whose blocks there are digests:
// these are two thirds of MaxBytes then.
const maxBlocked = 16 << 20

// Is tells whether two are the same file.
func (f File) Is(other File) bool {
	return f.Name == other.Name && f.SizeBytes == other.SizeBytes && f.SHA256 == other.SHA256
}

// WithBlocks adds the digests of the blocks of what is in the file.
func (f File) WithBlocks(data []byte) File {
	f.BlockSHA256 = nil
	if len(data) > maxBlocked {
		return f
	}
	for block := range slices.Chunk(data, BlockBytes) {
		sum := sha256.Sum256(block)
		f.BlockSHA256 = append(f.BlockSHA256, sum[:]...)
	}
	return f
}

// blocks is how many there are of a file.
func blocks(sizeBytes int64) int64 { return (sizeBytes + BlockBytes - 1) / BlockBytes }

// Signer names the key that signs. The key stands here so that a damaged
// manifest shows even to who has no key; whose key it is only they can tell who
// have it from elsewhere.
type Signer struct {
	Algorithm Algorithm `json:"algorithm"`
	KeyID     string    `json:"key_id"`     // SHA-256 of public_key
	PublicKey []byte    `json:"public_key"` // SubjectPublicKeyInfo (RFC 5280) in DER
}

// SignerOf names a key.
func SignerOf(key *PublicKey) *Signer {
	return &Signer{Algorithm: key.algorithm, KeyID: key.ID(), PublicKey: key.der}
}

// FileOf names a file by what is in it.
func FileOf(name string, data []byte) File {
	return File{Name: name, SizeBytes: int64(len(data)), SHA256: Hash(data)}
}

// Hash is the SHA-256 of bytes, in hex.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Encode gives the canonical bytes.
func (m *Manifest) Encode() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	if out.Len() > MaxBytes {
		return nil, fmt.Errorf("write the manifest: it would have more than %d bytes, and nobody could read it", MaxBytes)
	}
	return out.Bytes(), m.check()
}

// Parse reads canonical bytes and nothing else: what two readers could
// understand in two ways, such as a field that is there twice, is refused.
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("it has more than %d bytes", MaxBytes)
	}
	var named struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	if named.Schema != Schema {
		return nil, fmt.Errorf("its schema is %.40q; this program reads %s", named.Schema, Schema)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("its form is not that of %s: %w", Schema, err)
	}
	again, err := m.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(data, again) {
		return nil, errors.New("it is not in the form in which manifests are written: it was edited, or damaged")
	}
	return &m, nil
}

func (m *Manifest) check() error {
	if m.Revision < 1 {
		return fmt.Errorf("revision %d: the first is 1", m.Revision)
	}
	if (m.Revision > 1) != (m.Replaces != nil) {
		return fmt.Errorf("revision %d: the first replaces none, all others one", m.Revision)
	}
	if r := m.Replaces; r != nil && (r.Revision != m.Revision-1 || !isHash(r.ManifestSHA256)) {
		return fmt.Errorf("revision %d replaces revision %d by hash %.80q: it has to be the one before, by a SHA-256", m.Revision, r.Revision, r.ManifestSHA256)
	}
	for what, hash := range map[string]string{"mesh_sha256": m.MeshSHA256, "policy_sha256": m.PolicySHA256, "data_sha256": m.DataSHA256} {
		if !isHash(hash) {
			return fmt.Errorf("%s: %.80q is no SHA-256 in hex", what, hash)
		}
	}
	from, err := time.Parse(time.RFC3339Nano, m.Period.From)
	to, errTo := time.Parse(time.RFC3339Nano, m.Period.To)
	if err != nil || errTo != nil || !from.Before(to) {
		return fmt.Errorf("period from %.40q to %.40q is none", m.Period.From, m.Period.To)
	}
	if err := m.checkFiles(); err != nil {
		return err
	}
	if m.Signer == nil {
		return nil
	}
	key, err := ParsePublicKey(m.Signer.PublicKey)
	if err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	if key.algorithm != m.Signer.Algorithm || key.ID() != m.Signer.KeyID {
		return fmt.Errorf("signer: key_id and algorithm are not those of public_key, which is %s %s", key.algorithm, key.ID())
	}
	return nil
}

func (m *Manifest) checkFiles() error {
	if len(m.Files) == 0 || len(m.Files) > maxFiles {
		return fmt.Errorf("%d files: there have to be 1 to %d", len(m.Files), maxFiles)
	}
	folded := map[string]bool{}
	for i, f := range m.Files {
		if err := checkName(f.Name); err != nil {
			return err
		}
		if f.SizeBytes < 0 || !isHash(f.SHA256) {
			return fmt.Errorf("file %q: its size or SHA-256 is none", f.Name)
		}
		if n := int64(len(f.BlockSHA256)); n > 0 && n != blocks(f.SizeBytes)*sha256.Size {
			return fmt.Errorf("file %q: block_sha256 has to be of %d blocks", f.Name, blocks(f.SizeBytes))
		}
		if i > 0 && m.Files[i-1].Name >= f.Name {
			return fmt.Errorf("file %q: files have to stand in the order of their names, none twice", f.Name)
		}
		if folded[strings.ToLower(f.Name)] {
			return fmt.Errorf("file %q: another one differs from it in upper and lower case only", f.Name)
		}
		folded[strings.ToLower(f.Name)] = true
	}
	return nil
}

// checkName takes names that mean a file beside the manifest on every system,
// and can be printed.
func checkName(name string) error {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`/\:*?"<>|`, r) }
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, odd) ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fmt.Errorf("file %.80q is no plain name of a file beside the manifest", name)
	}
	return nil
}

func isHash(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
