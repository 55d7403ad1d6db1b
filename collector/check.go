package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

// storePatience is how long check waits for a store.
const storePatience = 5 * time.Second

type check struct {
	settings
	Store string `placeholder:"SPEC" help:"Also look at the store: sqlite:PATH or influx:FILE."`
}

// Run prints what serve would do, or fails as it would.
func (c *check) Run(ctx context.Context, env *cli.Env) error {
	address, err := c.settings.check()
	if err != nil {
		return err
	}
	m, err := mesh.Load(c.Mesh)
	if err != nil {
		return err
	}
	describe(env.Stdout, c.Mesh, m, time.Now())
	security, err := c.encryption.describe(env.Stdout, time.Now())
	if err != nil {
		return err
	}
	if err := address.Check(ctx); err != nil {
		return err
	}
	state := "not asked; give --store"
	if c.Store != "" {
		if state, err = storeState(ctx, c.Store, env.Log); err != nil {
			return err
		}
		state = c.Store + ": " + state
	}
	fmt.Fprintf(env.Stdout, "store    %s\n", state)
	fmt.Fprintf(env.Stdout, "listen   %s, %s\n", address, security)
	return nil
}

// describe prints what a mesh holds, as it stands now.
func describe(w io.Writer, file string, m *mesh.Mesh, now time.Time) {
	pairs := m.Pairs()
	fmt.Fprintf(w, "mesh     %s (%s)\n", m.Name, file)
	fmt.Fprintf(w, "sha256   %s\n", m.SHA256())
	fmt.Fprintf(w, "clusters %d in %s, %s\n", len(m.Clusters), cli.Count(len(m.Hubs), "hub"), cli.Count(len(pairs), "pair"))
	active := 0
	for i := range m.Sites {
		if m.Sites[i].ActiveAt(now) {
			active++
		}
	}
	fmt.Fprintf(w, "sites    %d, %d of them now\n", len(m.Sites), active)
	for i := range m.Measure {
		test := &m.Measure[i]
		note := ""
		if test.Name == m.Judged {
			note = ", judged"
		}
		fmt.Fprintf(w, "test     %s: %s now, %s every %d ms, windows of %d s%s\n",
			test.Name, cli.Count(len(m.Links(test, now, now.Add(1))), "link"), test.Method, test.IntervalMS, test.WindowS, note)
	}
	estimated := 0
	for _, pair := range pairs {
		if m.ClusterRoute(m.Cluster(pair.A), m.Cluster(pair.B), now).Estimated {
			estimated++
		}
	}
	fmt.Fprintf(w, "distance %d of %s estimated (class C, geodesic × %g)\n", estimated, cli.Count(len(pairs), "pair"), mesh.Circuity)
	for _, warning := range m.Warnings() {
		fmt.Fprintf(w, "warning  %s\n", warning)
	}
}

// storeState tells what serve would find, without making or changing anything.
func storeState(ctx context.Context, spec string, log *slog.Logger) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	var opened store.Reader
	var err error
	if path, ok := strings.CutPrefix(spec, "sqlite:"); ok && path != "" {
		there, err := writable(path)
		if err != nil {
			return "", cli.Usage(fmt.Errorf("store %s: %w", path, err))
		}
		if !there {
			return "not there yet; serve would make it", nil
		}
		// To write it would be to change it; what that needs was looked at.
		opened, err = open.Reader(ctx, spec, log)
		if err != nil {
			return "", err
		}
	} else if opened, err = open.Writer(ctx, spec, log); err != nil {
		return "", err
	}
	if err := opened.Ready(ctx); err != nil {
		return "", fmt.Errorf("store: not ready within %s: %w", storePatience, errors.Join(err, opened.Close()))
	}
	return "ready", opened.Close()
}

// writable tells whether a store is at path. It fails where the store could
// not be written, or where there is none and none could be made.
func writable(path string) (there bool, err error) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		if err := mayWrite(path); err != nil {
			return false, fmt.Errorf("cannot be written: %w; mend its permissions", err)
		}
		if err := mayWrite(filepath.Dir(path)); err != nil {
			return false, fmt.Errorf("its folder cannot be written, and the log has to be made there: %w; mend its permissions", err)
		}
		return info.Size() > 0, nil // serve makes the tables in an empty file
	}
	for at := path; errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR); {
		at = filepath.Dir(at)
		var above fs.FileInfo
		if above, err = os.Stat(at); err != nil {
			continue
		}
		if !above.IsDir() {
			return false, fmt.Errorf("its folder cannot be made: %s is not a folder; choose another path", at)
		}
		if err := mayWrite(at); err != nil {
			return false, fmt.Errorf("cannot be made: folder %s cannot be written: %w; mend its permissions, or choose another path", at, err)
		}
		return false, nil
	}
	return err == nil, err
}

// mayWrite asks for the effective user, as opening for writing would.
func mayWrite(path string) error {
	mode := uint32(unix.W_OK)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		mode |= unix.X_OK
	}
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
}
