package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// patient opens a spool of which the disk is not ready.
func patient(t *testing.T, dir string) (*Patient, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	p, err := OpenPatiently(dir, roomy, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if p.Trouble() == nil {
		t.Fatal("the spool is open")
	}
	return p, log
}

// TestReadOnlyDiskIsWaitedFor: the probe before left windows, a session and an
// assignment on a disk that was made read-only. What can be read is known at
// once, nothing is taken or given, and all is as ever once it can be written.
func TestReadOnlyDiskIsWaitedFor(t *testing.T) {
	d := newDisk(t, "4m")
	dir := filepath.Join(d.path, "spool")
	s, _ := open(t, dir, roomy)
	put(t, s, windows(0, 5))
	future := time.Now().Add(time.Hour) // the clock was ahead then
	last, err := s.Raise(future)
	if err := errors.Join(err, s.KeepAssignment([]byte("{}"), "tag"), s.Close()); err != nil {
		t.Fatal(err)
	}
	d.remount(t, unix.MS_RDONLY)
	p, log := patient(t, dir)
	session, err := p.Raise(time.Now())
	if err != nil || session <= last {
		t.Errorf("session %d after %d, %v", session, last, err)
	}
	if data, tag, err := p.Assignment(); string(data) != "{}" || tag != "tag" || err != nil {
		t.Errorf("assignment %s, %s, %v", data, tag, err)
	}
	if err := p.KeepAssignment([]byte(`{"a":1}`), "tag2"); err != nil {
		t.Error(err)
	}
	if err := p.Put(windows(5, 6)); !errors.Is(err, syscall.EROFS) {
		t.Errorf("put: %v", err)
	}
	if entries, err := p.Oldest(10, 1<<20); len(entries) > 0 || err != nil {
		t.Errorf("%d windows are given, %v", len(entries), err)
	}
	for range 3 {
		if err := p.try(); err != nil || p.Trouble() == nil {
			t.Fatalf("tried: %v, open: %v", err, p.Trouble() == nil)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "read-only file system") {
		t.Errorf("%d lines, want one error:\n%s", n, log)
	}
	d.remount(t, 0)
	if err := p.try(); err != nil || p.Trouble() != nil {
		t.Fatalf("%v, %v", err, p.Trouble())
	}
	select {
	case <-p.added:
	default:
		t.Error("nobody was told that it is open")
	}
	if err := p.Put(windows(5, 6)); err != nil {
		t.Error(err)
	}
	entries, err := p.Oldest(10, 1<<20)
	if err != nil || len(entries) != 6 || entries[5].Window.Key != window(5).Key {
		t.Errorf("%d windows, %v", len(entries), err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir, roomy)
	if next, err := s.Raise(time.Now()); next != session+1 || err != nil {
		t.Errorf("the next session is %d, %v; want %d", next, err, session+1)
	}
	if data, tag, err := s.Assignment(); string(data) != `{"a":1}` || tag != "tag2" || err != nil {
		t.Errorf("assignment %s, %s, %v", data, tag, err)
	}
}

// TestFullDiskIsWaitedFor: a fresh spool cannot be begun, whatever little room
// there is, and is begun once it can. Nothing is taken for damaged.
func TestFullDiskIsWaitedFor(t *testing.T) {
	for _, pages := range []int{0, 1, 3, 5} {
		t.Run(fmt.Sprintf("%d pages free", pages), func(t *testing.T) {
			d := newDisk(t, "128k")
			dir := filepath.Join(d.path, "spool")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			free := d.fill(t)
			if err := os.Truncate(filepath.Join(d.path, "filler"), int64(31-pages)*4096); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			p, err := OpenPatiently(dir, roomy, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if p.Trouble() != nil {
				if err := p.try(); err != nil || !errors.Is(p.Put(windows(0, 1)), syscall.ENOSPC) {
					t.Errorf("%v, %v", err, p.Trouble())
				}
			} else if pages == 0 {
				t.Error("a spool was begun without room")
			}
			free()
			if err := unix.Mount("none", d.path, "", unix.MS_REMOUNT, "size=4m"); err != nil {
				t.Fatal(err)
			}
			if err := p.try(); p.Trouble() != nil || err != nil && !errors.Is(err, ErrInUse) {
				t.Fatalf("with room again: %v, %v", err, p.Trouble())
			}
			if err := p.Put(windows(0, 5)); err != nil {
				t.Error(err)
			}
			if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 || strings.Contains(log.String(), "damaged") {
				t.Errorf("the folder holds %v; log: %s", files, &log)
			}
		})
	}
}

// TestDamageOnAFullDisk: there is no room for a fresh file in the place of the
// damaged one. Each try finds both as they were, and with room what is whole is
// taken over.
func TestDamageOnAFullDisk(t *testing.T) {
	d := newDisk(t, "256k")
	dir := filepath.Join(d.path, "spool")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	data := held(t, 5)
	clear(data[:2*4096]) // both of the first pages
	if err := os.WriteFile(filepath.Join(dir, fileName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	free := d.fill(t)
	p, _ := patient(t, dir)
	for range 2 {
		if err := p.try(); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 || filepath.Base(files[0]) != fileName {
		t.Errorf("the folder holds %v", files)
	}
	free()
	if err := unix.Mount("none", d.path, "", unix.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	if err := p.try(); err != nil || p.Trouble() != nil {
		t.Fatalf("%v, %v", err, p.Trouble())
	}
	seen := map[string]bool{}
	entries, err := p.Oldest(1000, 1<<30)
	for _, e := range entries {
		seen[e.Window.Key.String()] = true
	}
	for n := range 6 {
		if w := window(n); !seen[w.Key.String()] {
			t.Errorf("window %d is missing (%v)", n, err)
		}
	}
}

// TestWhatIsNotWaitedFor: another probe, a later version, and a place that can
// be no folder are errors at once, whether the disk can be written or not.
func TestWhatIsNotWaitedFor(t *testing.T) {
	d := newDisk(t, "4m")
	newer := filepath.Join(d.path, "newer")
	s, _ := open(t, newer, roomy)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rewrite(t, s.Path(), func(tx *bolt.Tx) error { return tx.Bucket(bucketState()).Put(keyVersion(), sealed([]byte("3"))) })
	if err := os.WriteFile(filepath.Join(d.path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := filepath.Join(d.path, "used")
	open(t, used, roomy)
	for _, c := range []struct {
		dir  string
		want error
	}{{newer, ErrNewer}, {used, ErrInUse}, {filepath.Join(d.path, "file"), syscall.ENOTDIR}} {
		if _, err := OpenPatiently(c.dir, roomy, slog.New(slog.DiscardHandler)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.dir, err)
		}
	}
	d2 := newDisk(t, "4m") // on which nothing is open for writing
	again := filepath.Join(d2.path, "newer")
	data, err := os.ReadFile(s.Path())
	if err := errors.Join(err, os.Mkdir(again, 0o700), os.WriteFile(filepath.Join(again, fileName), data, 0o600)); err != nil {
		t.Fatal(err)
	}
	d2.remount(t, unix.MS_RDONLY)
	if _, err := OpenPatiently(again, roomy, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrNewer) {
		t.Errorf("read-only: %v", err)
	}
}

// TestSpoolIsTriedEverLessOften until it opens, and given up for an error that
// no waiting mends.
func TestSpoolIsTriedEverLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tries, now := 0, error(syscall.EIO)
		set := func(change func()) { mu.Lock(); defer mu.Unlock(); change() }
		p := &Patient{log: slog.New(slog.DiscardHandler), why: now}
		p.again = func() (_ *Spool, err error) { set(func() { tries++; err = now }); return nil, err }
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		time.Sleep(10 * time.Minute)
		set(func() {
			if now = ErrInUse; tries < 10 || tries > 20 {
				t.Errorf("%d tries in ten minutes", tries)
			}
		})
		if err := <-done; !errors.Is(err, ErrInUse) {
			t.Errorf("%v", err)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		if err := p.Run(stopped); err != nil {
			t.Errorf("at a stop: %v", err)
		}
	})
}
