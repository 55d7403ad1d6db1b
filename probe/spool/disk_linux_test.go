package spool

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// disk is a small file system that only the goroutine which made it can see.
type disk struct{ path string }

// newDisk mounts one of so many bytes where nobody else sees it. The calling
// goroutine keeps its thread for the rest of its life.
func newDisk(t *testing.T, size string) *disk {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the runtime ends the thread
	d := &disk{t.TempDir()}
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount("tmpfs", d.path, "tmpfs", 0, "size="+size)
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs root for mounts: %v", err)
		}
		t.Skipf("SKIPPED: needs root for mounts: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(d.path, unix.MNT_DETACH) })
	return d
}

// remount makes the disk one that can be written or not. What is open for
// writing keeps it writable, so the spool has to be closed.
func (d *disk) remount(t *testing.T, flags uintptr) {
	t.Helper()
	if err := unix.Mount("none", d.path, "", unix.MS_REMOUNT|flags, ""); err != nil {
		t.Fatal(err)
	}
}

// fill leaves no room, and gives the function that makes room again.
func (d *disk) fill(t *testing.T) (free func()) {
	t.Helper()
	name := filepath.Join(d.path, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDisk: a Put that does not fit fails and changes nothing; what was put
// before is given out and settled as ever; with room again the same Put is
// taken. Closed and opened while the disk is full, the spool still works.
func TestFullDisk(t *testing.T) {
	d := newDisk(t, "4m")
	dir := filepath.Join(d.path, "spool")
	s, log := open(t, dir, roomy)
	put(t, s, windows(0, 100))
	free := d.fill(t)
	n := 100
	for ; n < 20_000; n += 100 { // the file has some room in it
		if err := s.Put(windows(n, n+100)); err != nil {
			if !strings.Contains(err.Error(), "no space left on device") {
				t.Errorf("%v", err)
			}
			break
		}
	}
	if got := s.Counts(); got.Windows != int64(n) || got.Dropped != 0 {
		t.Fatalf("%+v, want %d windows", got, n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s, _ = open(t, dir, roomy)
	if got := s.Counts(); got.Windows != int64(n) {
		t.Errorf("%+v after opening on a full disk, want %d windows", got, n)
	}
	entries := oldest(t, s, 50)
	var delivered []uint64
	for i, e := range entries {
		if e.Window.Key != window(i).Key {
			t.Errorf("window %d is %v", i, e.Window.Key)
		}
		delivered = append(delivered, e.Sequence)
	}
	if err := s.Settle(delivered, nil); err != nil {
		t.Logf("settle on a full disk: %v; it is delivered again later", err)
	}
	free()
	put(t, s, windows(n, n+100))
	if got := s.Counts(); got.Windows != int64(n)+100-got.DeliveredEver || got.Dropped != 0 {
		t.Errorf("%+v with room again, want %d windows", got, n+100)
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

// TestFullDiskFromTheStart: no spool can be made, which is said and is no
// damage.
func TestFullDiskFromTheStart(t *testing.T) {
	d := newDisk(t, "64k")
	dir := filepath.Join(d.path, "spool")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	free := d.fill(t)
	_, err := Open(dir, roomy, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "give --spool a folder on a local disk") {
		t.Errorf("%v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 1 || len(files) == 1 && files[0].Name() != fileName {
		t.Errorf("the folder holds %v (%v)", files, err)
	}
	free()
	if err := unix.Mount("none", d.path, "", unix.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	s, log := open(t, dir, roomy)
	put(t, s, windows(0, 5))
	if log.Len() > 0 {
		t.Errorf("with room again: %s", log)
	}
}

// TestReadOnlyDisk: the spool says so, and what is in it stays.
func TestReadOnlyDisk(t *testing.T) {
	d := newDisk(t, "4m")
	dir := filepath.Join(d.path, "spool")
	s, _ := open(t, dir, roomy)
	put(t, s, windows(0, 5))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.remount(t, unix.MS_RDONLY)
	_, err := Open(dir, roomy, slog.New(slog.DiscardHandler))
	want := "open spool: " + filepath.Join(dir, fileName) + ": open " + filepath.Join(dir, fileName) + ": read-only file system; give --spool a folder on a local disk that can be written, and the process room to map the file"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := Open(filepath.Join(d.path, "another"), roomy, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "read-only file system; give --spool a folder that can be written") {
		t.Errorf("%v", err)
	}
	d.remount(t, 0)
	s, log := open(t, dir, roomy)
	if got := len(oldest(t, s, 10)); got != 5 || log.Len() > 0 {
		t.Errorf("%d windows; log: %s", got, log)
	}
}
