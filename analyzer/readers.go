package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/internal/cli"
)

// readersCommand changes and shows who may ask serve --readers.
type readersCommand struct {
	Add    addReader    `cmd:"" help:"Add a reader and print the token, once."`
	List   listReaders  `cmd:"" help:"Show the readers."`
	Revoke revokeReader `cmd:"" help:"Take a reader out; the token counts no more within seconds."`
}

// lockTimeout is how long another command may hold the file.
const lockTimeout = 10 * time.Second

type readersFile struct {
	Readers string `required:"" placeholder:"FILE" help:"The file with the readers."`
}

type addReader struct {
	readersFile `embed:""`
	Name        string   `arg:"" help:"What the reader is called here: in the list and in the log."`
	Role        string   `required:"" enum:"regulator,carrier,viewer,admin" placeholder:"ROLE" help:"regulator: everything; carrier: its own links and the public figures; viewer: the public figures; admin: everything, and the readers."`
	Carrier     []string `placeholder:"ID" help:"With role carrier: whose links, by the mesh; may be repeated."`
	Expires     string   `default:"365d" placeholder:"TIME" help:"After how many days or hours the token counts no more, such as 90d or 12h; never for no end."`
}

// Run makes the token. It goes to standard output alone, so that it can be
// piped to where it belongs.
func (c *addReader) Run(ctx context.Context, env *cli.Env) error {
	reader := readers.Reader{
		Name: c.Name, Role: readers.Role(c.Role), Carriers: c.Carrier, Created: time.Now().UTC().Truncate(time.Second),
	}
	switch carrier := reader.Role == readers.Carrier; {
	case carrier && len(c.Carrier) == 0:
		return cli.Usage(errors.New("--role carrier needs --carrier ID: whose links, by the mesh"))
	case !carrier && len(c.Carrier) > 0:
		return cli.Usage(fmt.Errorf("--carrier goes with --role carrier, not with %s", c.Role))
	}
	lasts, err := lifetime(c.Expires)
	if err != nil {
		return cli.Usage(err)
	}
	if lasts > 0 {
		reader.Expires = reader.Created.Add(lasts)
	}
	if info, err := os.Stat(filepath.Dir(c.Readers)); err != nil || !info.IsDir() {
		return cli.Usage(fmt.Errorf("write %s: there is no such folder; make it, or name another", c.Readers))
	}
	var token string
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	err = readers.Change(ctx, c.Readers, true, func(l *readers.List) (_ *readers.List, err error) {
		l, token, err = l.Add(reader)
		if err != nil {
			err = cli.Usage(err)
		}
		return l, err
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(env.Stdout, token); err != nil {
		return fmt.Errorf("print the token: %w; it is lost: revoke %s and add it again", err, c.Name)
	}
	env.Log.Info("the reader is added; the token is shown only now, and is sent as Authorization: Bearer TOKEN",
		"reader", c.Name, "role", c.Role, "expires", when(reader.Expires))
	if len(c.Carrier) > 0 {
		env.Log.Info("whether there are such carriers only serve can tell, by its mesh: it warns of those that are not there",
			"carriers", strings.Join(c.Carrier, ", "))
	}
	return nil
}

// maxLifetime is more than anybody means; who wants no end says never.
const maxLifetime = 20 * 365 * 24 * time.Hour

// lifetime reads 90d, 12h or never, which is 0.
func lifetime(text string) (time.Duration, error) {
	if text == "never" {
		return 0, nil
	}
	unit := 24 * time.Hour
	digits, days := strings.CutSuffix(text, "d")
	if !days {
		unit = time.Hour
		var hours bool
		if digits, hours = strings.CutSuffix(text, "h"); !hours {
			digits = ""
		}
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || time.Duration(n)*unit > maxLifetime {
		return 0, fmt.Errorf("--expires %s is not a number of days or hours such as 90d or 12h, nor never", text)
	}
	return time.Duration(n) * unit, nil
}

type listReaders struct {
	readersFile `embed:""`
}

// Run prints a table.
func (c *listReaders) Run(_ context.Context, env *cli.Env) error {
	list, err := readers.Load(c.Readers)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tCARRIERS\tCREATED\tEXPIRES")
	for _, r := range list.Readers() {
		expires := when(r.Expires)
		if r.Expired(time.Now()) {
			expires += " (expired)"
		}
		carriers := strings.Join(r.Carriers, ", ")
		if carriers == "" {
			carriers = "–"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.Role, carriers, when(r.Created), expires)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the readers: %w", err)
	}
	return nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

type revokeReader struct {
	readersFile `embed:""`
	Name        string `arg:"" help:"As readers list shows it."`
}

// Run takes the reader out of the file.
func (c *revokeReader) Run(ctx context.Context, env *cli.Env) error {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	err := readers.Change(ctx, c.Readers, false, func(l *readers.List) (*readers.List, error) {
		l, err := l.Revoke(c.Name)
		if err != nil {
			err = cli.Usage(err)
		}
		return l, err
	})
	if err != nil {
		return err
	}
	env.Log.Info("the reader is revoked; a server that follows the file refuses the token within seconds", "reader", c.Name)
	return nil
}
