package open_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/collector/store/open"
)

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"text.db":    strings.Repeat("no database\n", 200),
		"empty.yaml": "",
		"field.yaml": "url: http://127.0.0.1:8086\nbukket: b\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ spec, want string }{
		{"", `store "" is neither sqlite:PATH nor influx:FILE`},
		{"fibergauge.db", `store "fibergauge.db" is neither sqlite:PATH nor influx:FILE`},
		{"postgres:db", `store "postgres:db" is neither sqlite:PATH nor influx:FILE`},
		{"sqlite:", `store "sqlite:" names no file; give sqlite:PATH or influx:FILE`},
		{"influx", `store "influx" names no file; give sqlite:PATH or influx:FILE`},
		{"sqlite::memory:", `store :memory:: each connection would have a memory of its own; give the path of a file`},
		{"sqlite:FOLDER", `store FOLDER: is a folder; give the path of a file in it`},
		{"sqlite:FOLDER/text.db", `store FOLDER/text.db: is not an SQLite database; give another path`},
		{"sqlite:FOLDER/text.db/x", `store FOLDER/text.db/x: its folder cannot be made: mkdir FOLDER/text.db: not a directory`},
		{"influx:FOLDER/none.yaml", `FOLDER/none.yaml: cannot be read: no such file or directory`},
		{"influx:FOLDER/empty.yaml", `FOLDER/empty.yaml: is empty`},
		{"influx:FOLDER/field.yaml", `FOLDER/field.yaml:2: bukket: unknown field; allowed: url, org, bucket, token, token_file, secret, secret_file, timeout`},
	} {
		t.Run(test.spec, func(t *testing.T) {
			s, err := open.Open(t.Context(), strings.ReplaceAll(test.spec, "FOLDER", folder), slog.New(slog.DiscardHandler))
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

func TestOpen(t *testing.T) {
	check := func(t *testing.T, spec string) {
		t.Helper()
		s, err := open.Open(t.Context(), spec, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		defer s.Close()
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("ready: %v", err)
		}
	}
	t.Run("sqlite", func(t *testing.T) { check(t, "sqlite:"+filepath.Join(t.TempDir(), "new", "store.db")) })
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) { check(t, "influx:"+influxtest.Start(t, series).NewBucket(t)) })
	}
}
