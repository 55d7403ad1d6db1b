package open_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/collector/store/open"
)

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"text.db":    strings.Repeat("no database\n", 200),
		"empty.db":   "",
		"empty.yaml": "",
		"field.yaml": "url: http://127.0.0.1:8086\nbukket: b\n",
		"read.yaml":  "url: http://127.0.0.1:8086\nbucket: b\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const both = ""
	for _, test := range []struct{ only, spec, want string }{
		{both, "", `store "" is neither sqlite:PATH nor influx:FILE`},
		{both, "fibergauge.db", `store "fibergauge.db" is neither sqlite:PATH nor influx:FILE`},
		{both, "postgres:db", `store "postgres:db" is neither sqlite:PATH nor influx:FILE`},
		{both, "sqlite:", `store "sqlite:" names no file; give sqlite:PATH or influx:FILE`},
		{both, "influx", `store "influx" names no file; give sqlite:PATH or influx:FILE`},
		{"writer", "sqlite::memory:", `store :memory:: each connection would have a memory of its own; give the path of a file`},
		{both, "sqlite:FOLDER", `store FOLDER: is a folder; give the path of a file in it`},
		{both, "sqlite:FOLDER/text.db", `store FOLDER/text.db: is not an SQLite database; give another path`},
		{"reader", "sqlite:FOLDER/text.db/x", `store FOLDER/text.db/x: there is no such file; give the one that the collector writes`},
		{"reader", "sqlite:FOLDER/none/x.db", `store FOLDER/none/x.db: there is no such file; give the one that the collector writes`},
		{"reader", "sqlite:FOLDER/empty.db", `store FOLDER/empty.db: the file is empty; give the one that the collector writes`},
		{"writer", "influx:FOLDER/read.yaml", `FOLDER/read.yaml: secret_file: is missing; name the file with the secret that all collectors of this store share (to make it: openssl rand -hex 32)`},
		{"writer", "sqlite:FOLDER/text.db/x", `store FOLDER/text.db/x: its folder cannot be made: mkdir FOLDER/text.db: not a directory`},
		{both, "influx:FOLDER/none.yaml", `FOLDER/none.yaml: cannot be read: no such file or directory`},
		{both, "influx:FOLDER/empty.yaml", `FOLDER/empty.yaml: is empty`},
		{both, "influx:FOLDER/field.yaml", `FOLDER/field.yaml:2: bukket: unknown field; allowed: url, org, bucket, token, token_file, secret, secret_file, timeout`},
	} {
		for way, try := range map[string]func(string) (store.Reader, error){
			"reader": func(spec string) (store.Reader, error) {
				return open.Reader(t.Context(), spec, slog.New(slog.DiscardHandler))
			},
			"writer": func(spec string) (store.Reader, error) {
				s, err := open.Writer(t.Context(), spec, slog.New(slog.DiscardHandler))
				if s == nil {
					return nil, err
				}
				return s, err
			},
		} {
			if test.only != both && test.only != way {
				continue
			}
			t.Run(way+" "+test.spec, func(t *testing.T) {
				s, err := try(strings.ReplaceAll(test.spec, "FOLDER", folder))
				if err == nil {
					t.Fatal("was opened", s.Close())
				}
				if got := strings.ReplaceAll(err.Error(), folder, "FOLDER"); got != test.want {
					t.Errorf("error\n %s, not\n %s", got, test.want)
				}
				if s != nil {
					t.Error("a store beside the error")
				}
			})
		}
	}
}

func TestOpen(t *testing.T) {
	check := func(t *testing.T, spec string) {
		t.Helper()
		s, err := open.Writer(t.Context(), spec, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		defer s.Close()
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("ready: %v", err)
		}
		r, err := open.Reader(t.Context(), spec, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("open to read: %v", err)
		}
		defer r.Close()
		if err := r.Ready(t.Context()); err != nil {
			t.Errorf("ready to read: %v", err)
		}
	}
	t.Run("sqlite", func(t *testing.T) { check(t, "sqlite:"+filepath.Join(t.TempDir(), "new", "store.db")) })
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) { check(t, "influx:"+influxtest.Start(t, series).NewBucket(t)) })
	}
}
