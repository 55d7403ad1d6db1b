package monthly

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/filing"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDue(t *testing.T) {
	for _, c := range []struct {
		name, zone, month string
		hour              int
		settle            time.Duration
		want              string
	}{
		{"at once", "Asia/Shanghai", "2025-06", 0, 0, "2025-07-01T00:00:00+08:00"},
		{"in the morning", "Asia/Shanghai", "2025-06", 6, 0, "2025-07-01T06:00:00+08:00"},
		{"settled on the hour", "Asia/Shanghai", "2025-06", 6, 6 * time.Hour, "2025-07-01T06:00:00+08:00"},
		{"settled a moment later", "Asia/Shanghai", "2025-06", 6, 6*time.Hour + 1, "2025-07-02T06:00:00+08:00"},
		{"two days", "Asia/Shanghai", "2025-12", 6, 48 * time.Hour, "2026-01-03T06:00:00+08:00"},
		{"before a month without its midnight", "America/Asuncion", "2023-09", 6, time.Hour, "2023-10-01T06:00:00-03:00"},
		{"over the change of the clock", "Europe/Berlin", "2025-02", 2, 30*24*time.Hour - 22*time.Hour, "2025-03-30T03:00:00+02:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			month, err := time.Parse(monthLayout, c.month)
			if err != nil {
				t.Fatal(err)
			}
			config := Config{Settle: c.settle, Hour: c.hour}
			got, err := config.due(month, zone(t, c.zone))
			if err != nil || got.Format(time.RFC3339) != c.want {
				t.Errorf("due at %s, %v, want %s", got.Format(time.RFC3339), err, c.want)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, zone(t, "Asia/Shanghai"))
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct {
		name  string
		filed []string // manifests
		now   string
		want  []string
	}{
		{"nothing filed: the last that is due", nil, "2025-07-02 07:00", []string{"2025-06"}},
		{"nothing filed and the last not due yet", nil, "2025-07-02 05:59", []string{"2025-05"}},
		{"all is filed", []string{"report-2025-06"}, "2025-07-15 00:00", nil},
		{"the next is not due yet", []string{"report-2025-05"}, "2025-07-02 05:59", nil},
		{"the next is due", []string{"report-2025-05"}, "2025-07-02 06:00", []string{"2025-06"}},
		{"months were missed, over the year", []string{"report-2024-11"}, "2025-03-01 12:00", []string{"2024-12", "2025-01"}},
		{"a gap before the newest is left to people", []string{"report-2025-03", "report-2025-06"}, "2025-07-15 00:00", nil},
		{"revisions are of their month", []string{"report-2025-05", "report-2025-05_r02"}, "2025-07-02 06:00", []string{"2025-06"}},
		{"other periods are no months", []string{"report-2025", "report-2025-06-10", "report-x"}, "2025-07-15 00:00", []string{"2025-06"}},
		{"a month to come", []string{"report-2025-09"}, "2025-07-15 00:00", []string{"2025-06"}},
		{"the month under way", []string{"report-2025-05", "report-2025-07"}, "2025-07-15 00:00", []string{"2025-06"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			for _, name := range c.filed {
				if err := os.WriteFile(filepath.Join(folder, filing.ManifestOf(name)), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			config := Config{Folder: folder, Settle: 24 * time.Hour, Hour: 6}
			got, err := config.missing(at(c.now))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Where the clock is set forward over midnight, the first of a month begins at
// one o'clock, and the month is filed like any other.
func TestMissingWithoutMidnight(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, filing.ManifestOf("report-2023-08")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := Config{Folder: folder, Settle: 24 * time.Hour, Hour: 6}
	got, err := config.missing(time.Date(2023, 11, 2, 6, 0, 0, 0, zone(t, "America/Asuncion")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2023-09", "2023-10"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// made is a report of a month without a window, or with one.
func made(t *testing.T, m *mesh.Mesh, month string, windows int) *api.Report {
	t.Helper()
	period, err := report.ParsePeriod(month, "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := report.NewPlan(m, policy.Default(), period, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s scenario.Store
	for i := range windows {
		s.Put(t, scenario.Window(m, "a1", "b1", period.From.Add(time.Duration(i)*time.Minute), scenario.Same(20_000, 50), 3))
	}
	r, err := report.Build(t.Context(), plan, &s, report.Options{GeneratedBy: "a test", Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Who files the month under way, to see how it stands, keeps nobody from filing
// the month before, nor that month itself when it is over.
func TestRunAfterAPreview(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	folder := t.TempDir()
	for month, complete := range map[string]bool{"2025-04": true, "2025-06": false} {
		r := made(t, m, month, 3)
		r.Period.Complete = complete
		if _, err := filing.File(folder, filing.NameOf(month), r, filing.As{}); err != nil {
			t.Fatal(err)
		}
	}
	at := func(text string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, m.Location())
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	var filed []string
	config := Config{
		Folder: folder, Settle: 24 * time.Hour, Hour: 6,
		Zone: func(context.Context) (*time.Location, error) { return m.Location(), nil },
		Make: func(_ context.Context, month string) (*api.Report, error) { return made(t, m, month, 3), nil },
		Told: func(_ context.Context, f *filing.Outcome, _ *api.Report) {
			filed = append(filed, filepath.Base(f.File))
		},
		Log: slog.New(slog.DiscardHandler),
	}
	for _, when := range []string{"2025-06-01 12:00", "2025-06-02 06:00", "2025-06-20 00:00", "2025-07-02 05:59", "2025-07-02 06:00", "2025-07-02 06:10"} {
		filed = append(filed, when)
		if err := config.fileDue(t.Context(), at(when)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"2025-06-01 12:00", "2025-06-02 06:00", "report-2025-05.manifest.json", "2025-06-20 00:00",
		"2025-07-02 05:59", "2025-07-02 06:00", "report-2025-06_r02.manifest.json", "2025-07-02 06:10",
	}
	if diff := cmp.Diff(want, filed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A year goes by, in which a report cannot be made for a while and the program
// is off for months.
func TestRun(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	folder := filepath.Join(t.TempDir(), "reports")
	synctest.Test(t, func(t *testing.T) {
		type event struct{ At, What string }
		var events []event
		note := func(what string) {
			events = append(events, event{time.Now().In(m.Location()).Format("2006-01-02 15:04"), what})
		}
		until := func(text string) time.Duration {
			at, err := time.ParseInLocation("2006-01-02 15:04", text, m.Location())
			if err != nil {
				t.Fatal(err)
			}
			return time.Until(at)
		}
		broken, asked := false, map[string]int{}
		config := Config{
			Folder: folder, Settle: 24 * time.Hour, Hour: 6,
			Zone: func(context.Context) (*time.Location, error) { return m.Location(), nil },
			Make: func(_ context.Context, month string) (*api.Report, error) {
				if broken {
					return nil, errors.New("the store is away")
				}
				windows := 3
				if month < "2025-05" || month == "2025-09" {
					windows = 0
				}
				asked[month]++
				return made(t, m, month, windows), nil
			},
			Told: func(_ context.Context, filed *filing.Outcome, r *api.Report) {
				note(filepath.Base(filed.File))
			},
			Log: slog.New(slog.DiscardHandler),
		}
		run := func(from, to string) {
			time.Sleep(until(from))
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { config.Run(ctx); close(done) }()
			time.Sleep(until(to))
			stop()
			<-done
		}
		run("2025-05-20 12:00", "2025-06-03 00:00") // April has no windows
		run("2025-06-03 00:00", "2025-07-02 06:05")
		broken = true
		run("2025-07-02 06:05", "2025-08-02 05:00")
		run("2025-08-02 05:00", "2025-08-02 08:00")
		broken = false
		run("2025-08-02 08:00", "2025-08-20 00:00")
		run("2025-11-20 00:00", "2025-12-01 00:00")
		want := []event{
			{"2025-06-02 06:00", "report-2025-05.manifest.json"},
			{"2025-06-03 00:00", "report-2025-05.manifest.json"}, // told again at each start
			{"2025-07-02 06:00", "report-2025-06.manifest.json"},
			{"2025-07-02 06:05", "report-2025-06.manifest.json"},
			{"2025-08-02 05:00", "report-2025-06.manifest.json"},
			{"2025-08-02 08:00", "report-2025-06.manifest.json"},
			{"2025-08-02 08:00", "report-2025-07.manifest.json"}, // late, as soon as it can be made
			{"2025-11-20 00:00", "report-2025-07.manifest.json"},
			{"2025-11-20 00:00", "report-2025-08.manifest.json"}, // made up for
			{"2025-11-20 00:00", "report-2025-10.manifest.json"},
		}
		// A month without windows is looked at once a day, while it is the last.
		if asked["2025-04"] != 13 || asked["2025-09"] != 1 {
			t.Errorf("made %v times", asked)
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	result, err := filing.Check([]string{folder}, filing.Options{})
	if err != nil || !result.Good || len(result.Reports) != 5 {
		t.Errorf("what is filed: %v, %+v", err, result)
	}
}
