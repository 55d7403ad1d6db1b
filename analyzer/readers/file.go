package readers

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// Bounds of a file.
const (
	maxReaders = 10_000
	maxName    = 64
)

// written is a readers file as it stands on disk.
type written struct {
	Readers []entry `yaml:"readers"`
}

// entry is a reader in a file. Times are RFC 3339.
type entry struct {
	Name        string   `yaml:"name"`
	Role        Role     `yaml:"role"`
	Carriers    []string `yaml:"carriers,omitempty,flow"`
	TokenSHA256 string   `yaml:"token_sha256"`
	Created     string   `yaml:"created"`
	Expires     string   `yaml:"expires,omitempty"`
}

const fileHead = `# Who may read reports from fibergauge-analyzer serve --readers. Written by
# fibergauge-analyzer readers add and revoke; of a token only its SHA-256 is here.
`

// Load reads a file. What is wrong with it is a *yamlfile.Error.
func Load(file string) (*List, error) {
	if err := guarded(file); err != nil {
		return nil, err
	}
	var w written
	doc, _, err := yamlfile.Read(file, &w)
	if err != nil {
		return nil, err
	}
	return w.list(doc)
}

// Parse reads the bytes of a file.
func Parse(file string, data []byte) (*List, error) {
	var w written
	doc, err := yamlfile.Parse(file, data, &w)
	if err != nil {
		return nil, err
	}
	return w.list(doc)
}

// guarded refuses a file that others may write: whoever writes it lets
// themselves in.
func guarded(file string) error {
	info, err := os.Stat(file)
	if err == nil && info.Mode().Perm()&0o022 != 0 {
		return &yamlfile.Error{File: file, Msg: fmt.Sprintf("may be written by others than its owner (mode %04o); chmod 600 it and look who stands in it", info.Mode().Perm())}
	}
	return nil // what else is wrong shows when it is read
}

func (w *written) list(doc *yamlfile.Document) (*List, error) {
	if len(w.Readers) > maxReaders {
		return nil, doc.Errorf("readers", "has %d readers; at most %d are allowed", len(w.Readers), maxReaders)
	}
	if w.Readers == nil {
		return nil, doc.Errorf("readers", "is missing; write [] for nobody")
	}
	var readers []Reader
	names, tokens := map[string]bool{}, map[digest]bool{}
	for i := range w.Readers {
		at := fmt.Sprintf("readers[%d].", i)
		r, fault := w.Readers[i].reader()
		switch {
		case fault.msg != "":
		case names[r.Name]:
			fault = wrong{"name", fmt.Sprintf("%q is given twice; names are unique", r.Name)}
		case tokens[r.token]:
			fault = wrong{"token_sha256", "is that of another reader; each has a token of its own"}
		}
		if fault.msg != "" {
			return nil, doc.Errorf(at+fault.field, "%s", fault.msg)
		}
		names[r.Name], tokens[r.token] = true, true
		readers = append(readers, r)
	}
	return newList(readers), nil
}

// wrong is a fault of one field; the zero value is none.
type wrong struct{ field, msg string }

func (e *entry) reader() (Reader, wrong) {
	r := Reader{Name: e.Name, Role: e.Role, Carriers: e.Carriers}
	if hash, err := hex.DecodeString(e.TokenSHA256); err != nil || len(hash) != len(r.token) || strings.ToLower(e.TokenSHA256) != e.TokenSHA256 {
		return r, wrong{"token_sha256", "is not 64 hexadecimal digits, in lower case"}
	} else {
		copy(r.token[:], hash)
	}
	var fault wrong
	if r.Created, fault = moment("created", e.Created); fault.msg != "" {
		return r, fault
	}
	if e.Expires != "" {
		if r.Expires, fault = moment("expires", e.Expires); fault.msg != "" {
			return r, fault
		}
	}
	return r, r.fault()
}

// moment reads a time to the second, in UTC: what is written reads the same.
func moment(field, text string) (time.Time, wrong) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.UTC().Format(time.RFC3339) != text {
		return t, wrong{field, fmt.Sprintf("%.40q is not a time such as 2026-11-23T09:00:00Z", text)}
	}
	return t.UTC(), wrong{}
}

// fault finds what is wrong with a reader by itself.
func (r *Reader) fault() wrong {
	switch {
	case !identifier(r.Name):
		return wrong{"name", fmt.Sprintf("%.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", r.Name, maxName)}
	case !slices.Contains(Roles(), r.Role):
		return wrong{"role", fmt.Sprintf("%.40q is not known; allowed: regulator, carrier, viewer, admin", r.Role)}
	case r.Role == Carrier && len(r.Carriers) == 0:
		return wrong{"carriers", "is missing; role carrier needs one or more"}
	case r.Role != Carrier && len(r.Carriers) > 0:
		return wrong{"carriers", fmt.Sprintf("goes with role carrier, not with %s", r.Role)}
	case !r.Expires.IsZero() && !r.Expires.After(r.Created):
		return wrong{"expires", "does not come after created"}
	}
	for i, carrier := range r.Carriers {
		if !identifier(carrier) {
			return wrong{"carriers", fmt.Sprintf("%.80q is not the id of a carrier, as it stands in the mesh", carrier)}
		}
		if slices.Contains(r.Carriers[:i], carrier) {
			return wrong{"carriers", fmt.Sprintf("%q is given twice", carrier)}
		}
	}
	return wrong{}
}

// identifier tells whether a text has the form that identifiers have in the
// mesh.
func identifier(s string) bool {
	outside := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, outside)
}

// Bytes is the list as a file.
func (l *List) Bytes() ([]byte, error) {
	w := written{Readers: []entry{}}
	for i := range l.readers {
		r := &l.readers[i]
		e := entry{
			Name: r.Name, Role: r.Role, Carriers: r.Carriers,
			TokenSHA256: hex.EncodeToString(r.token[:]), Created: r.Created.UTC().Format(time.RFC3339),
		}
		if !r.Expires.IsZero() {
			e.Expires = r.Expires.UTC().Format(time.RFC3339)
		}
		w.Readers = append(w.Readers, e)
	}
	buf := bytes.NewBufferString(fileHead)
	if err := yaml.NewEncoder(buf).Encode(w); err != nil {
		return nil, fmt.Errorf("write readers: %w", err)
	}
	return buf.Bytes(), nil
}
