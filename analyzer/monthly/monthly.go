// Package monthly files the report of each month when it is due, and tells
// others that it did. How a report is made is the server's; how it lies in a
// folder is package filing's.
//
// What is due follows from the clock and from what the folder holds, and from
// nothing that is kept elsewhere: a program that did not run on the day makes
// up for it when it starts.
package monthly

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/filing"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/mesh"
)

// Config is what is filed, where and when.
type Config struct {
	Folder string
	Key    *manifest.PrivateKey // signs; nil: nobody does
	// Settle is how long after the end of a month its last windows are waited
	// for: spools of probes that were cut off deliver late.
	Settle time.Duration
	Hour   int // of the clock in the mesh's zone at which a month that has settled is made, 0 to 23

	Zone   func(context.Context) (*time.Location, error)                   // of the mesh
	Make   func(ctx context.Context, month string) (*api.Report, error)    // whole, with the months before
	Told   func(ctx context.Context, filed *filing.Outcome, r *api.Report) // after each that was filed; may be nil
	Failed func()                                                          // after each time that something could not be filed; may be nil
	Log    *slog.Logger

	known string               // month whose report is known to be of all of it
	empty map[string]time.Time // months without windows, and when that was seen
}

// look is how often the clock is asked: a machine that slept does not count the
// time in which it did.
const look = 10 * time.Minute

// lookAgain is when a month without windows is looked at again: they may be
// imported.
const lookAgain = 24 * time.Hour

// Run files what is due until the context ends. What fails is tried again at
// the next look.
func (c *Config) Run(ctx context.Context) {
	if err := c.tellNewest(ctx); err != nil {
		c.Log.Error("of what is filed nobody could be told", "error", err)
	}
	for ctx.Err() == nil {
		if err := c.fileDue(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.Log.Error("a month's report could not be filed; it is tried again", "in", look, "error", err)
			if c.Failed != nil {
				c.Failed()
			}
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
		}
	}
}

// fileDue files the months that are due and that the folder does not hold,
// oldest first.
func (c *Config) fileDue(ctx context.Context, now time.Time) error {
	zone, err := c.Zone(ctx)
	if err != nil {
		return err
	}
	months, err := c.missing(now.In(zone))
	if err != nil {
		return err
	}
	for _, month := range months {
		if since, ok := c.empty[month]; ok && now.Sub(since) < lookAgain {
			continue
		}
		if err := c.file(ctx, month); err != nil {
			return fmt.Errorf("%s: %w", month, err)
		}
	}
	return nil
}

const monthLayout = "2006-01"

// missing are the months that are due behind the newest that is filed, and that
// one if it was filed before it was over. Of a folder without any only the last
// one is: history is filed by people.
func (c *Config) missing(now time.Time) ([]string, error) {
	// What people filed of the month under way says nothing of those before it.
	newest, err := c.newestFiled(now.Format(monthLayout))
	if err != nil {
		return nil, err
	}
	var months []string
	// Dates, and no moments: a month does not everywhere begin at midnight.
	underWay := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for month := underWay.AddDate(0, -1, 0); newest <= month.Format(monthLayout); month = month.AddDate(0, -1, 0) {
		if newest == month.Format(monthLayout) && c.whole(newest) {
			break
		}
		due, err := c.due(month, now.Location())
		if err != nil {
			return nil, err
		}
		if now.Before(due) {
			continue
		}
		months = append([]string{month.Format(monthLayout)}, months...)
		if newest == "" {
			break
		}
	}
	return months, nil
}

// due is when the report of a month, given by its first date, is made: the first
// time that the clock of a zone shows the hour after the month has settled.
func (c *Config) due(month time.Time, zone *time.Location) (time.Time, error) {
	next, err := mesh.Moment(month.AddDate(0, 1, 0).Format(time.DateOnly)).In(zone)
	if err != nil {
		return time.Time{}, err
	}
	settled := next.Add(c.Settle)
	at := time.Date(settled.Year(), settled.Month(), settled.Day(), c.Hour, 0, 0, 0, zone)
	for day := 1; at.Before(settled); day++ {
		at = time.Date(settled.Year(), settled.Month(), settled.Day()+day, c.Hour, 0, 0, 0, zone)
	}
	return at, nil
}

// whole tells whether the report of a month that is filed is of all of it. One
// that cannot be read is left to verify, and to people.
func (c *Config) whole(month string) bool {
	if month == c.known {
		return true // nothing that is filed is replaced, and to read it takes a while
	}
	filed, err := filing.Newest(c.Folder, filing.NameOf(month))
	if err != nil || filed == nil {
		return true
	}
	if filed.Report.Period.Complete {
		c.known = month
	}
	return filed.Report.Period.Complete
}

// newestFiled is the newest month of which the folder holds a report, of those
// before another where one is given; empty for none.
func (c *Config) newestFiled(before string) (newest string, err error) {
	names, err := filing.Names(c.Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, name := range names {
		if month, ok := monthNamed(name); ok && (before == "" || month < before) {
			newest = max(newest, month)
		}
	}
	return newest, nil
}

// tellNewest tells of what is filed already: the program may have ended between
// filing a report and telling of it.
func (c *Config) tellNewest(ctx context.Context) error {
	month, err := c.newestFiled("")
	if err != nil || month == "" || c.Told == nil {
		return err
	}
	filed, err := filing.Newest(c.Folder, filing.NameOf(month))
	if err != nil {
		return err
	}
	c.Told(ctx, &filing.Outcome{Filed: *filed}, filed.Report)
	return nil
}

// monthNamed is the month of a report by its name; false if it is of another
// period.
func monthNamed(name string) (string, bool) {
	t, err := time.Parse(filing.NameOf(monthLayout), name)
	if err != nil {
		return "", false
	}
	return t.Format(monthLayout), true
}

func (c *Config) file(ctx context.Context, month string) error {
	r, err := c.Make(ctx, month)
	if err != nil {
		return err
	}
	if r.Data.Windows == 0 {
		// A target that nobody measured is not one that was missed.
		c.Log.Warn("there are no windows of the month, so it is not filed; if that is how it was, file it by report --format all", "month", month)
		if c.empty == nil {
			c.empty = map[string]time.Time{}
		}
		c.empty[month] = time.Now()
		return nil
	}
	if err := os.MkdirAll(c.Folder, 0o755); err != nil {
		return err
	}
	filed, err := filing.File(c.Folder, filing.NameOf(month), r, filing.As{Key: c.Key})
	if err != nil {
		return err
	}
	c.Log.Info("a month's report is filed", "month", month, "manifest", filed.File, "revision", filed.Manifest.Revision)
	if c.Told != nil {
		c.Told(ctx, filed, r)
	}
	return nil
}
