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

	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

// storePatience is how long check waits for a store.
const storePatience = 5 * time.Second

type check struct {
	settings
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
	state, err := storeState(ctx, c.Store, env.Log)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "store    %s: %s\n", c.Store, state)
	fmt.Fprintf(env.Stdout, "listen   %s, without TLS: local connections only\n", address)
	return nil
}

// describe prints what a mesh holds, as it stands now.
func describe(w io.Writer, file string, m *mesh.Mesh, now time.Time) {
	pairs := m.Pairs()
	fmt.Fprintf(w, "mesh     %s (%s)\n", m.Name, file)
	fmt.Fprintf(w, "sha256   %s\n", m.SHA256())
	fmt.Fprintf(w, "clusters %d in %d hubs, %d pairs\n", len(m.Clusters), len(m.Hubs), len(pairs))
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
		fmt.Fprintf(w, "test     %s: %d links now, %s every %d ms, windows of %d s%s\n",
			test.Name, len(m.Links(test, now, now.Add(1))), test.Method, test.IntervalMS, test.WindowS, note)
	}
	estimated := 0
	for _, pair := range pairs {
		if m.ClusterRoute(m.Cluster(pair.A), m.Cluster(pair.B), now).Estimated {
			estimated++
		}
	}
	fmt.Fprintf(w, "distance %d of %d pairs are estimated (class C, geodesic × %g)\n", estimated, len(pairs), mesh.Circuity)
	for _, warning := range m.Warnings() {
		fmt.Fprintf(w, "warning  %s\n", warning)
	}
}

// storeState tells what serve would find, without making anything.
func storeState(ctx context.Context, spec string, log *slog.Logger) (string, error) {
	if path, ok := strings.CutPrefix(spec, "sqlite:"); ok && path != "" {
		there, err := exists(path)
		if err != nil {
			return "", cli.Usage(fmt.Errorf("store %s: %w", path, err))
		}
		if !there {
			return "not there yet; serve would make it", nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	opened, err := open.Open(ctx, spec, log)
	if err != nil {
		return "", err
	}
	if err := opened.Ready(ctx); err != nil {
		return "", fmt.Errorf("store: not ready within %s: %w", storePatience, errors.Join(err, opened.Close()))
	}
	return "ready", opened.Close()
}

// exists tells whether a file is there, and where it is not, whether its folder
// is or could be made: the nearest thing above that exists has to be a folder.
func exists(path string) (bool, error) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return false, nil // serve makes the tables in it
	}
	for at := path; errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR); {
		at = filepath.Dir(at)
		var above fs.FileInfo
		if above, err = os.Stat(at); err == nil {
			if !above.IsDir() {
				return false, fmt.Errorf("its folder cannot be made: %s is not a folder; choose another path", at)
			}
			return false, nil
		}
	}
	return err == nil, err
}
