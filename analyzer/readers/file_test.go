package readers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// one is a file with one reader, each line of which a test may change.
const one = `readers:
  - name: one
    role: carrier
    carriers: [one]
    token_sha256: "` + hash + `"
    created: 2026-11-23T09:00:00Z
    expires: 2027-11-23T09:00:00Z
`

func TestParse(t *testing.T) {
	l, err := Parse("r.yaml", []byte(one))
	if err != nil {
		t.Fatal(err)
	}
	r := l.Readers()[0]
	if r.Name != "one" || r.Role != Carrier || !slices.Equal(r.Carriers, []string{"one"}) || !r.Created.Equal(begin) ||
		!r.Expires.Equal(begin.AddDate(1, 0, 0)) || fmt.Sprintf("%x", r.token) != hash {
		t.Errorf("read %+v", r)
	}
	if l, err := Parse("r.yaml", []byte("readers: []\n")); err != nil || len(l.Readers()) != 0 {
		t.Errorf("an empty list: %v, %v", l, err)
	}
}

func TestParseRefuses(t *testing.T) {
	twice := strings.Replace(one, "readers:\n", "", 1)
	for _, c := range []struct{ name, data, want string }{
		{"nothing", "", "r.yaml: is empty"},
		{"no list", "{}", "r.yaml: readers: is missing; write [] for nobody"},
		{"null", "readers:", "r.yaml:1: readers: must be a list"},
		{"unknown field", strings.Replace(one, "expires", "expire", 1), "r.yaml:7: readers[0].expire: unknown field; allowed: name, role, carriers, token_sha256, created, expires"},
		{"a token", strings.Replace(one, `"`+hash+`"`, "fgr1.AAAA", 1), "r.yaml:5: readers[0].token_sha256: is not 64 hexadecimal digits, in lower case"},
		{"capitals", strings.Replace(one, "aabb", "AABB", 1), "r.yaml:5: readers[0].token_sha256: is not 64 hexadecimal digits, in lower case"},
		{"role", strings.Replace(one, "role: carrier", "role: root", 1), `r.yaml:3: readers[0].role: "root" is not known; allowed: regulator, carrier, viewer, admin`},
		{"no role", strings.Replace(one, "    role: carrier\n", "", 1), `r.yaml:2: readers[0].role: "" is not known; allowed: regulator, carrier, viewer, admin`},
		{"no carriers", strings.Replace(one, "    carriers: [one]\n", "", 1), "r.yaml:2: readers[0].carriers: is missing; role carrier needs one or more"},
		{"carriers of a viewer", strings.Replace(one, "role: carrier", "role: viewer", 1), "r.yaml:4: readers[0].carriers: goes with role carrier, not with viewer"},
		{"carrier", strings.Replace(one, "[one]", "[o ne]", 1), `r.yaml:4: readers[0].carriers: "o ne" is not the id of a carrier, as it stands in the mesh`},
		{"carrier twice", strings.Replace(one, "[one]", "[one, one]", 1), `r.yaml:4: readers[0].carriers: "one" is given twice`},
		{"name", strings.Replace(one, "name: one", `name: "o\ne"`, 1), `r.yaml:2: readers[0].name: "o\ne" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"created", strings.Replace(one, "created: 2026-11-23T09:00:00Z", "created: yesterday", 1), `r.yaml:6: readers[0].created: "yesterday" is not a time such as 2026-11-23T09:00:00Z`},
		{"expires before", strings.Replace(one, "2027", "2025", 1), "r.yaml:7: readers[0].expires: does not come after created"},
		{"name twice", one + strings.Replace(twice, "0011", "0012", 1), `r.yaml:8: readers[1].name: "one" is given twice; names are unique`},
		{"token twice", one + strings.Replace(twice, "name: one", "name: two", 1), "r.yaml:11: readers[1].token_sha256: is that of another reader; each has a token of its own"},
		{"alias", "readers: &a [*a]\n", "r.yaml:1: readers[0]: YAML aliases are not supported; write the value out"},
	} {
		_, err := Parse("r.yaml", []byte(c.data))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

// drawList draws lists as the commands make them.
var drawList = rapid.Custom(func(t *rapid.T) *List {
	l := newList(nil)
	name := rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`)
	for _, n := range rapid.SliceOfNDistinct(name, 0, 5, rapid.ID).Draw(t, "names") {
		r := Reader{Name: n, Role: rapid.SampledFrom(Roles()).Draw(t, "role"), Created: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "created"), 0).UTC()}
		if r.Role == Carrier {
			r.Carriers = rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "carriers")
		}
		if rapid.Bool().Draw(t, "expires") {
			r.Expires = r.Created.Add(time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "seconds")) * time.Second)
		}
		var err error
		if l, _, err = l.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return l
})

// What is written reads the same, whatever YAML makes of a name such as "no",
// "1e3" or a date.
func TestBytesReadTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawList.Draw(t, "list")
		data, err := l.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse("r.yaml", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if diff := cmp.Diff(l.readers, back.readers, cmp.AllowUnexported(Reader{}), cmp.Comparer(slices.Equal[[]string])); diff != "" && len(l.readers) > 0 {
			t.Errorf("%s\n%s", diff, data)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(one))
	f.Add([]byte("readers: []"))
	f.Add([]byte("readers: [{name: ~}]"))
	f.Add([]byte("readers: &a [*a]"))
	f.Add([]byte("readers:\n  - name: no\n    role: viewer\n    token_sha256: " + hash + "\n    created: 2026-11-23T09:00:00Z\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse("r.yaml", data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		written, err := l.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse("r.yaml", written)
		if err != nil {
			t.Fatalf("what was read is not what can be written: %v\n%s", err, written)
		}
		again, err := back.Bytes()
		if err != nil || !bytes.Equal(written, again) {
			t.Errorf("%v\n%s\n%s", err, written, again)
		}
	})
}

func FuzzFind(f *testing.F) {
	l := newList(nil)
	f.Add("fgr1." + strings.Repeat("A", 43))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if r, err := l.Find(token, begin); err == nil {
			t.Errorf("%q is %+v", token, r)
		}
	})
}

func addOne(name string) func(*List) (*List, error) {
	return func(l *List) (*List, error) {
		l, _, err := l.Add(Reader{Name: name, Role: Viewer, Created: begin})
		return l, err
	}
}

// Commands that run at once wait for each other: none undoes another's work.
func TestChangeAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "readers.yaml")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := Change(t.Context(), file, true, addOne(fmt.Sprint("r", i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	l, err := Load(file)
	if err != nil || len(l.Readers()) != 20 {
		t.Fatalf("%v: %d readers", err, len(l.Readers()))
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
		if e.Name() != "readers.yaml" && e.Name() != ".readers.yaml.lock" {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestChangeLeavesWhatItRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "readers.yaml")
	write := func(data string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(file, []byte(data), mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Change(t.Context(), file, false, addOne("a")); err == nil || err.Error() != file+": cannot be read: no such file or directory" {
		t.Errorf("no file: %v", err)
	}
	for _, c := range []struct {
		data, want string
		mode       os.FileMode
	}{
		{"readers: [", "", 0o600},
		{one, file + ": may be written by others than its owner (mode 0620); chmod 600 it and look who stands in it", 0o620},
		{one, "no", 0o600},
	} {
		write(c.data, c.mode)
		err := Change(t.Context(), file, true, func(*List) (*List, error) { return nil, errors.New("no") })
		if err == nil || c.want != "" && err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.data, err, c.want)
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != c.data {
			t.Errorf("the file is %q now, %v", data, err)
		}
	}

	write(one, 0o600)
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := Change(t.Context(), link, false, addOne("two")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if l, err := Load(file); err != nil || len(l.Readers()) != 2 {
		t.Errorf("behind the link: %v, %v", l, err)
	}
}

func TestChangeSaysThatAnotherHolds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "readers.yaml")
	unlock, err := lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockPoll)
	defer cancel()
	err = Change(ctx, file, true, addOne("a"))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another command holds") {
		t.Errorf("locked: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := Change(t.Context(), file, true, addOne("a")); err != nil {
		t.Errorf("unlocked: %v", err)
	}
}
