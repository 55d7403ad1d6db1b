package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// held is what a folder holds: text and permissions by name.
func held(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name()] = info.Mode().String() + " " + string(data)
	}
	return found
}

func TestReplace(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: files have no such permissions here")
	}
	broken := errors.New("no more")
	for _, test := range []struct {
		name  string
		mode  fs.FileMode
		write func(*os.File) error
		want  map[string]string
		err   error
	}{
		{"for its owner", 0o600, Bytes([]byte("new")), map[string]string{"file": "-rw------- new", "link": "-rw-r----- old"}, nil},
		{"for all, whatever the umask", 0o666, Bytes([]byte("new")), map[string]string{"file": "-rw-rw-rw- new", "link": "-rw-r----- old"}, nil},
		{"nothing in it", 0o600, Bytes(nil), map[string]string{"file": "-rw------- ", "link": "-rw-r----- old"}, nil},
		{"that could not be written", 0o600, func(f *os.File) error {
			info, err := f.Stat()
			if err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(filepath.Base(f.Name()), ".begun-") {
				t.Errorf("while it is written it is %s, %v, %v", f.Name(), info.Mode(), err)
			}
			_, err = f.WriteString("ne")
			return errors.Join(err, broken)
		}, map[string]string{"file": "-rw-r----- old", "link": "-rw-r----- old"}, broken},
		{"that was closed too early", 0o600, (*os.File).Close, map[string]string{"file": "-rw-r----- old", "link": "-rw-r----- old"}, os.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
				t.Fatal(err)
			}
			// A second name shows that the file itself was not written to.
			if err := os.Link(path, filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			if err := Replace(path, ".begun-", test.mode, test.write); !errors.Is(err, test.err) {
				t.Errorf("%v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, held(t, dir)); diff != "" {
				t.Errorf("the folder holds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReplaceOf(t *testing.T) {
	dir := t.TempDir()
	if err := Replace(filepath.Join(dir, "none", "file"), ".begun-", 0o600, Bytes(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if err := Replace(filepath.Join(dir, "first"), ".begun-", 0o600, Bytes([]byte("new"))); err != nil {
		t.Errorf("of none: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(filepath.Join(dir, "folder"), ".begun-", 0o600, Bytes(nil)); err == nil {
		t.Error("a folder was replaced")
	}
	if err := os.Symlink("first", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := Replace(filepath.Join(dir, "link"), ".begun-", 0o600, Bytes([]byte("apart"))); err != nil {
		t.Errorf("of a link: %v", err)
	}
	for name, want := range map[string]string{"first": "new", "link": "apart"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != want {
			t.Errorf("%s holds %q, %v", name, data, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".begun-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
