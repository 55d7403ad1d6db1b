package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// smallDisk mounts a file system of 4 MiB that only this goroutine sees, and the
// processes that it starts.
func smallDisk(t *testing.T) (dir string, remount func(flags uintptr)) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the runtime ends the thread
	dir = t.TempDir()
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m")
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs root for mounts: %v", err)
		}
		t.Skipf("SKIPPED: needs root for mounts: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir, func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("none", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRunOnAReadOnlyDisk: the probe measures on, says once what is wrong, and
// everything that it measured arrives when the disk can be written again.
func TestRunOnAReadOnlyDisk(t *testing.T) {
	needICMP(t)
	dir, remount := smallDisk(t)
	remount(unix.MS_RDONLY)
	c := newCollector(t, loopback(2))
	log := &logtest.Buffer{}
	probe := process(t, "run", "--site=here", "--collector="+c.url, "--spool="+filepath.Join(dir, "spool"), "--log-level=debug")
	probe.Stderr = log
	if err := probe.Start(); err != nil {
		t.Fatal(err)
	}
	says := func(text string) func() bool { return func() bool { return strings.Contains(log.String(), text) } }
	waitFor(t, "windows that no spool takes", says("the spool takes no windows"))
	if len(c.all()) > 0 {
		t.Errorf("%d windows arrived without having been on disk", len(c.all()))
	}
	remount(0)
	waitFor(t, "the spool", says("the spool is open"))
	waitFor(t, "the windows from before", func() bool { return len(c.all()) > 4 })
	if err := probe.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := probe.Wait(); err != nil || !strings.Contains(log.String(), "in_memory=0 lost_unspooled=0") {
		t.Errorf("%v:\n%s", err, log)
	}
	if n := strings.Count(log.String(), "the spool cannot be opened"); n != 1 {
		t.Errorf("said %d times that the spool cannot be opened", n)
	}
	checkAccount(t, c, log.String(), false)
}

// TestStopOnAFullDisk: what is in memory only goes to the collector; where that
// is away too, it is counted, and named.
func TestStopOnAFullDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		away bool
	}{{"collector there", false}, {"collector away", true}} {
		t.Run(c.name, func(t *testing.T) {
			needICMP(t)
			dir, _ := smallDisk(t)
			filler, err := os.Create(filepath.Join(dir, "filler"))
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = filler.Write(make([]byte, 4096))
			}
			filler.Close()
			collector := newCollector(t, loopback(2))
			log := &logtest.Buffer{}
			probe := process(t, "run", "--site=here", "--collector="+collector.url, "--spool="+filepath.Join(dir, "spool"), "--log-level=debug")
			probe.Stderr = log
			if err := probe.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "windows that no spool takes", func() bool { return strings.Contains(log.String(), "the spool takes no windows") })
			collector.set(func() { collector.away = c.away })
			begin := time.Now()
			if err := probe.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			err = probe.Wait()
			if took := time.Since(begin); took > 2*drainTime+wire.Timeout {
				t.Errorf("the stop took %v", took)
			}
			lost := regexp.MustCompile(`msg="window lost" key="?here>there-\d/icmp@`).FindAllString(log.String(), -1)
			if !c.away {
				if err != nil || len(collector.all()) < 4 || len(lost) > 0 || !strings.Contains(log.String(), "lost_unspooled=0") {
					t.Errorf("%v, %d windows at the collector:\n%s", err, len(collector.all()), log)
				}
				checkAccount(t, collector, log.String(), false)
				return
			}
			if probe.ProcessState.ExitCode() != 1 || len(lost) < 4 || len(collector.all()) > 0 ||
				!regexp.MustCompile(`stop: \d+ windows could not be spooled and are lost`).MatchString(log.String()) {
				t.Errorf("%v, %d named:\n%s", err, len(lost), log)
			}
		})
	}
}
