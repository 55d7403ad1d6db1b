package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

type spoolCommand struct {
	List  spoolList  `cmd:"" help:"List what waits, by link, and each window that is set aside, with the reason."`
	Retry spoolRetry `cmd:"" help:"Put windows that are set aside back among those that wait: after what they were refused for was mended."`
	Drop  spoolDrop  `cmd:"" help:"Forget windows that are set aside. They are counted as dropped."`
}

// spoolFolder is what the commands over a spool share. A probe that runs has the
// spool to itself; these wait for no one.
type spoolFolder struct {
	Spool       string `required:"" help:"The folder of the spool. Its probe has to be stopped." placeholder:"DIR"`
	SpoolMaxMiB int64  `name:"spool-max-mib" default:"1024" help:"As the probe has it." placeholder:"N"`
}

func (f *spoolFolder) open(env *cli.Env) (*spool.Spool, error) {
	if f.SpoolMaxMiB < 1 || f.SpoolMaxMiB > 1<<20 {
		return nil, cli.Usage(fmt.Errorf("--spool-max-mib: %d is not within 1 to %d", f.SpoolMaxMiB, 1<<20))
	}
	if !spool.Exists(f.Spool) {
		return nil, cli.Usage(fmt.Errorf("--spool: %s holds no spool", f.Spool))
	}
	store, err := spool.Open(f.Spool, f.SpoolMaxMiB<<20, env.Log)
	switch {
	case errors.Is(err, spool.ErrNewer):
		return nil, cli.Usage(err)
	case errors.Is(err, spool.ErrInUse):
		return nil, fmt.Errorf("--spool: %s is in use, by its probe if that runs; stop the probe first (systemctl stop fibergauge-probe), and start it again afterwards", f.Spool)
	}
	return store, err
}

// choice is which of the windows set aside are meant.
type choice struct {
	Code string `help:"Only those refused with this code, as list shows it: invalid_window, foreign_link, unknown_test, unknown_mesh, future, store_refused, bad_request, too_large or damaged_in_spool." placeholder:"CODE" xor:"which" required:""`
	All  bool   `help:"All of them." xor:"which" required:""`
}

// codes are those with which this version sets windows aside: as a collector
// refuses them, alone or in a batch of one, and what is damaged.
func codes() []wire.Code {
	return []wire.Code{
		wire.CodeInvalidWindow, wire.CodeForeignLink, wire.CodeUnknownTest, wire.CodeUnknownMesh, wire.CodeFuture,
		wire.CodeStoreRefused, wire.CodeBadRequest, wire.CodeTooLarge, spool.CodeDamaged,
	}
}

func (c *choice) has(r spool.Refused) bool { return c.All || string(r.Code) == c.Code }

// check tells whether the code is one that windows may have. A later collector
// may have refused some with a code that this version does not know.
func (c *choice) check(s *spool.Spool) error {
	if c.All || slices.Contains(codes(), wire.Code(c.Code)) {
		return nil
	}
	aside, err := s.Aside()
	if err != nil || slices.ContainsFunc(aside, c.has) {
		return err
	}
	var known []string
	for _, code := range codes() {
		known = append(known, string(code))
	}
	return cli.Usage(fmt.Errorf("--code: %.80q is no code, and no window is set aside with it; known are %s", c.Code, strings.Join(known, ", ")))
}

type spoolList struct {
	spoolFolder `embed:""`
	JSON        bool `name:"json" help:"One JSON object with counts, links and what is set aside."`
}

// waiting is what waits of one link and test.
type waiting struct {
	Link    string    `json:"link"`
	Test    string    `json:"test"`
	Windows int       `json:"windows"`
	First   time.Time `json:"first"` // start of the earliest
	Last    time.Time `json:"last"`  // end of the latest
}

// Run lists what is in the spool.
func (c *spoolList) Run(_ context.Context, env *cli.Env) (err error) {
	store, err := c.open(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	links := []*waiting{}
	byLink := map[[3]string]*waiting{}
	err = store.Each(func(w *wire.Window) {
		key := [3]string{w.Src, w.Dst, w.Test}
		one := byLink[key]
		first, last := time.UnixMilli(w.StartMS).UTC(), time.UnixMilli(w.EndMS).UTC()
		if one == nil {
			one = &waiting{Link: w.Src + ">" + w.Dst, Test: w.Test, First: first, Last: last}
			byLink[key], links = one, append(links, one)
		}
		one.Windows++
		if first.Before(one.First) {
			one.First = first
		}
		if last.After(one.Last) {
			one.Last = last
		}
	})
	if err != nil {
		return err
	}
	aside, err := store.Aside()
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Counts   spool.Counts    `json:"counts"`
			Waiting  []*waiting      `json:"waiting"`
			SetAside []spool.Refused `json:"set_aside"`
		}{store.Counts(), links, append([]spool.Refused{}, aside...)})
	}
	n := store.Counts()
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, told(n))
	if len(links) > 0 {
		fmt.Fprint(table, "\nLINK\tTEST\tWAIT\tFROM\tTO\n")
	}
	for _, l := range links {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", l.Link, l.Test, l.Windows, l.First.Format(time.RFC3339), l.Last.Format(time.RFC3339))
	}
	if len(aside) > 0 {
		fmt.Fprint(table, "\nSET ASIDE\tCODE\tWINDOW\tREASON\n")
	}
	for _, r := range aside {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.At.Format(time.RFC3339), r.Code, keyOf(r), strings.Join(strings.Fields(r.Message), " "))
	}
	return table.Flush()
}

// told says what a spool holds.
func told(n spool.Counts) string {
	return fmt.Sprintf("%s waiting, %d set aside, %d dropped ever", cli.Count(n.Windows, "window"), n.Refused, n.Dropped)
}

func keyOf(r spool.Refused) string {
	if w, err := wire.DecodeWindow(r.Window); err == nil {
		return w.Key.String()
	}
	return "does not read"
}

type spoolRetry struct {
	spoolFolder `embed:""`
	choice      `embed:""`
}

// Run puts windows back among those that wait.
func (c *spoolRetry) Run(_ context.Context, env *cli.Env) error {
	return c.change(env, &c.choice, func(s *spool.Spool) (int, error) { return s.Retry(c.has) }, " waiting again")
}

type spoolDrop struct {
	spoolFolder `embed:""`
	choice      `embed:""`
}

// Run forgets windows that are set aside.
func (c *spoolDrop) Run(_ context.Context, env *cli.Env) error {
	return c.change(env, &c.choice, func(s *spool.Spool) (int, error) { return s.Drop(c.has) }, " dropped")
}

func (f *spoolFolder) change(env *cli.Env, which *choice, do func(*spool.Spool) (int, error), what string) (err error) {
	store, err := f.open(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := which.check(store); err != nil {
		return err
	}
	n, err := do(store)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s%s; set aside stay %d\n", cli.Count(n, "window"), what, store.Counts().Refused)
	return err
}
