package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hash(digit string) string { return strings.Repeat(digit, 2*sha256.Size) }

// sample is a manifest of a second revision.
func sample(t testing.TB, signer *PrivateKey) *Manifest {
	t.Helper()
	m := &Manifest{
		Schema: Schema, GeneratedBy: "fibergauge-analyzer <1>",
		Period:   Period{From: "2025-06-01T00:00:00+08:00", To: "2025-07-01T00:00:00+08:00", TimeZone: "Asia/Shanghai"},
		Revision: 2, Replaces: &Replaced{Revision: 1, ManifestSHA256: hash("a")},
		MeshSHA256: hash("1"), PolicySHA256: hash("2"), DataSHA256: hash("3"),
		Files: []File{FileOf("report-2025-06_r02.en.pdf", []byte("pdf")), FileOf("report-2025-06_r02.json", []byte("{}")).WithBlocks([]byte("{}"))},
	}
	if signer != nil {
		m.Signer = SignerOf(signer.Public())
	}
	return m
}

func encoded(t testing.TB, m *Manifest) []byte {
	t.Helper()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newKey(t testing.TB, a Algorithm) *PrivateKey {
	t.Helper()
	key, err := Generate(a)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParseIsTheWayBack(t *testing.T) {
	for _, key := range []*PrivateKey{nil, newKey(t, Ed25519), newKey(t, SM2)} {
		m := sample(t, key)
		got, err := Parse(encoded(t, m))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// What is written can be read, however large the report is.
func TestLargeReport(t *testing.T) {
	for _, test := range []struct{ size, blocks int }{{0, 0}, {BlockBytes, 1}, {maxBlocked, maxBlocked / BlockBytes}, {maxBlocked + 1, 0}, {40 << 20, 0}} {
		m := sample(t, nil)
		data := make([]byte, test.size)
		m.Files[1] = FileOf(m.Files[1].Name, data).WithBlocks(data)
		got, err := Parse(encoded(t, m))
		if err != nil || len(got.Files[1].BlockSHA256) != test.blocks*sha256.Size {
			t.Errorf("%d bytes: %v", test.size, err)
		}
	}
	m := sample(t, nil)
	m.GeneratedBy = strings.Repeat("x", MaxBytes)
	if _, err := m.Encode(); err == nil {
		t.Error("a manifest is written that nobody can read")
	}
}

// What is not canonical, or could mean another file than one beside the manifest,
// is refused.
func TestParseRefuses(t *testing.T) {
	key := newKey(t, Ed25519)
	other := newKey(t, SM2)
	text := func(old, new string) func([]byte) []byte {
		return func(data []byte) []byte {
			out := bytes.Replace(data, []byte(old), []byte(new), 1)
			if bytes.Equal(out, data) {
				t.Errorf("%s is not in the sample", old)
			}
			return out
		}
	}
	change := func(change func(*Manifest)) func([]byte) []byte {
		return func([]byte) []byte {
			m := sample(t, key)
			change(m)
			data, _ := m.Encode() // which refuses it as well
			return data
		}
	}
	name := func(name string) func([]byte) []byte { return change(func(m *Manifest) { m.Files[1].Name = name }) }
	for _, test := range []struct {
		name  string
		alter func([]byte) []byte
		want  string
	}{
		{"empty", func([]byte) []byte { return nil }, "no JSON"},
		{"huge", func(data []byte) []byte { return append(data, bytes.Repeat([]byte(" "), MaxBytes)...) }, "more than"},
		{"deep", func([]byte) []byte { return bytes.Repeat([]byte("["), MaxBytes) }, "no JSON"},
		{"a list", func([]byte) []byte { return []byte("[]") }, "no JSON object"},
		{"a later schema", text("manifest/1", "manifest/2"), `schema is "fibergauge.manifest/2"; this program reads fibergauge.manifest/1`},
		{"a space more", text(`"revision": 2`, `"revision":  2`), "it was edited, or damaged"},
		{"a newline less", func(data []byte) []byte { return bytes.TrimSuffix(data, []byte("\n")) }, "it was edited"},
		{"a field twice", text(`"revision": 2,`, "\"revision\": 3,\n  \"revision\": 2,"), "it was edited"},
		{"a field in upper case", text(`"revision"`, `"Revision"`), "it was edited"},
		{"a field that is not known", text(`"revision"`, "\"x\": 1,\n  \"revision\""), "it was edited"},
		{"a field of another type", text(`"revision": 2`, `"revision": "2"`), "form is not that"},
		{"something after it", func(data []byte) []byte { return append(data, "{}\n"...) }, "no JSON"},
		{"revision 0", change(func(m *Manifest) { m.Revision, m.Replaces = 0, nil }), "the first is 1"},
		{"a first that replaces", change(func(m *Manifest) { m.Revision = 1 }), "the first replaces none"},
		{"a second that replaces none", change(func(m *Manifest) { m.Replaces = nil }), "all others one"},
		{"a third that replaces the first", change(func(m *Manifest) { m.Revision = 3 }), "the one before"},
		{"a hash in upper case", change(func(m *Manifest) { m.DataSHA256 = hash("A") }), "data_sha256"},
		{"a short hash", change(func(m *Manifest) { m.Files[0].SHA256 = "ab" }), "SHA-256 is none"},
		{"a negative size", change(func(m *Manifest) { m.Files[0].SizeBytes = -1 }), "size"},
		{"blocks of another size", change(func(m *Manifest) { m.Files[1].SizeBytes = BlockBytes + 1 }), "of 2 blocks"},
		{"a period that ends before it begins", change(func(m *Manifest) { m.Period.From, m.Period.To = m.Period.To, m.Period.From }), "is none"},
		{"no files", change(func(m *Manifest) { m.Files = nil }), "0 files"},
		{"too many files", change(func(m *Manifest) { m.Files = make([]File, maxFiles+1) }), "2001 files"},
		{"a file twice", change(func(m *Manifest) { m.Files[1] = m.Files[0] }), "none twice"},
		{"files in another order", change(func(m *Manifest) { m.Files[0], m.Files[1] = m.Files[1], m.Files[0] }), "order of their names"},
		{"names that are one on Windows", change(func(m *Manifest) { m.Files[0].Name = "Report-2025-06_r02.json" }), "upper and lower case only"},
		{"the folder above", name("../report.json"), "no plain name"},
		{"the folder above on Windows", name(`..\report.json`), "no plain name"},
		{"a path", name("/etc/passwd"), "no plain name"},
		{"a drive", name("z:report.json"), "no plain name"},
		{"a folder", name("sub/report.json"), "no plain name"},
		{"two dots", name(".."), "no plain name"},
		{"a hidden file", name(".report.json"), "no plain name"},
		{"no name", name(""), "no plain name"},
		{"a name that rules a terminal", name("report\x1b[2J.json"), "no plain name"},
		{"a name that is written from right to left", name("report\u202egpj.exe"), "no plain name"},
		{"a long name", name(strings.Repeat("x", maxName+1)), "no plain name"},
		{"the id of another key", change(func(m *Manifest) { m.Signer.KeyID = other.Public().ID() }), "signer: key_id and algorithm"},
		{"another algorithm", change(func(m *Manifest) { m.Signer.Algorithm = SM2 }), "signer: key_id and algorithm"},
		{"no key", change(func(m *Manifest) { m.Signer.PublicKey = []byte("x") }), "signer: its public key cannot be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parse(test.alter(encoded(t, sample(t, key))))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s; %+v", err, test.want, m)
			}
		})
	}
}

// Whatever is read as a manifest is written with the same bytes again, and no
// altered byte of it goes with the signature.
func FuzzParse(f *testing.F) {
	for _, a := range []Algorithm{Ed25519, SM2} {
		key := newKey(f, a)
		data := encoded(f, sample(f, key))
		signature, err := key.Sign(data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, signature)
		f.Add(data[:len(data)/2], signature[:len(signature)/2])
		f.Add(bytes.Replace(data, []byte("report-2025-06_r02.json"), []byte("../report-2025-06.json"), 1), []byte{})
	}
	f.Add(encoded(f, sample(f, nil)), []byte{})
	f.Fuzz(func(t *testing.T, data, signature []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		if again := encoded(t, m); !bytes.Equal(data, again) {
			t.Errorf("%q is written as %q", data, again)
		}
		for _, file := range m.Files {
			if strings.ContainsAny(file.Name, `/\`) || strings.HasPrefix(file.Name, ".") {
				t.Errorf("name %q", file.Name)
			}
		}
		if m.Signer == nil {
			return
		}
		key, err := ParsePublicKey(m.Signer.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if key.Verify(data, signature) && key.Verify(append(data, ' '), signature) {
			t.Error("a signature is good of two texts")
		}
	})
}

func TestCanonicalBytesAreReadable(t *testing.T) {
	data := encoded(t, sample(t, nil))
	if !json.Valid(data) || !bytes.Contains(data, []byte("\n  \"generated_by\": \"fibergauge-analyzer <1>\",\n")) || !bytes.HasSuffix(data, []byte("}\n")) {
		t.Errorf("%s", data)
	}
}
