package spool

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// FuzzPage reads any bytes as a page of a spool file: nothing that it gives lies
// outside them, and nothing panics.
func FuzzPage(f *testing.F) {
	whole := held(f, 5)
	for at := 2 * 4096; at < len(whole); at += 4096 {
		f.Add(binary.LittleEndian.Uint16(whole[at+8:]), whole[at:at+4096])
	}
	f.Add(uint16(kindFree), append(make([]byte, 10), 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF))
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		if len(data) < pageHeader+8 {
			return // a page is never shorter
		}
		elements, _ := parse(kind, data)
		if len(elements) > len(data) {
			t.Errorf("%d elements in %d bytes", len(elements), len(data))
		}
		for _, e := range elements {
			if len(e.key)+len(e.value) > 2*len(data) {
				t.Errorf("an element of %d bytes in a page of %d", len(e.key)+len(e.value), len(data))
			}
			wholeInside(e.value)
			inside(e)
		}
	})
}

// FuzzStored reads any bytes as what lies in the spool: what bears a checksum
// that is right and is a window comes out as the same window again, and what was
// set aside always gives something to show.
func FuzzStored(f *testing.F) {
	w := window(1)
	f.Add(w.Canonical())
	f.Add(sealed(w.Canonical()))
	refused, err := Refused{Code: wire.CodeUnknownMesh, Message: "never served"}.encode(sealed(w.Canonical()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(refused)
	f.Add(refused[32:])
	f.Add([]byte(`{"window":{"src":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, stored := range [][]byte{data, sealed(data)} {
			value, ok := unsealed(stored)
			if w, err := wire.DecodeWindow(value); ok && err == nil {
				again, err := wire.DecodeWindow(w.Canonical())
				if err != nil {
					t.Fatalf("the canonical form does not read: %v", err)
				}
				if diff := cmp.Diff(w.Canonical(), again.Canonical()); diff != "" {
					t.Errorf("another window came out (-want +got)\n%s", diff)
				}
			}
			r, err := decodeRefused(stored)
			if err != nil && (r.Code != CodeDamaged || !bytes.Equal(r.Raw, stored)) {
				t.Errorf("what does not read is given as %+v", r)
			}
			if kept, err := r.encode(stored); err != nil {
				t.Errorf("it cannot be set aside: %v", err)
			} else if _, err := decodeRefused(kept); err != nil {
				t.Errorf("what was set aside does not read: %v", err)
			}
			var c Counts
			_ = json.Unmarshal(value, &c)
		}
	})
}

// FuzzFile writes any bytes anywhere into a spool file and cuts it off anywhere:
// it opens all the same, gives out no window that was not put, and works on.
func FuzzFile(f *testing.F) {
	if raceEnabled {
		f.Skip("SKIPPED under -race: checkptr ends the process at bbolt's reads of a damaged page; run it without -race")
	}
	whole := held(f, 5)
	f.Add(uint32(0), []byte{}, uint32(0))
	f.Add(uint32(4096+16), []byte{0xFF}, uint32(0))
	f.Add(uint32(2*4096+8), []byte{4, 0}, uint32(4096))
	f.Add(uint32(3*4096), bytes.Repeat([]byte{0xFF}, 64), uint32(0))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, cut uint32) {
		data := bytes.Clone(whole)
		copy(data[int(at)%len(data):], patch)
		data = data[:len(data)-int(cut)%len(data)]
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, roomy, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, windows(1000, 1002))
		later := 0
		for _, e := range oldest(t, s, 1000) {
			n := int(e.Window.StartMS-window(0).StartMS) / 60_000
			if diff := cmp.Diff(window(n), e.Window); diff != "" {
				t.Fatalf("a window came out changed (-want +got)\n%s", diff)
			}
			if n >= 1000 {
				later++
			}
		}
		if later != 2 {
			t.Errorf("%d of 2 windows that were put afterwards are there", later)
		}
		if _, err := s.Aside(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
