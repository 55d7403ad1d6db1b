package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/analyzer/distances"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

// distancesCommand fills the distances of a mesh file.
type distancesCommand struct {
	Mesh   string `required:"" placeholder:"FILE" help:"The mesh whose distances are filled; it is written back with all else as it is."`
	From   string `placeholder:"DATE" help:"What is filled counts from then on, and what it replaces until then: a date in the mesh's time zone, or RFC 3339. Without it nothing is replaced."`
	DryRun bool   `help:"Print the change as a unified diff and write nothing."`

	CSV    string `xor:"from where" placeholder:"FILE" help:"Registered distances, class A; columns a,b,km and source,between,from,until,medium."`
	Source string `placeholder:"TEXT" help:"With --csv: who registered them, for rows without a source."`

	OSRM         string        `name:"osrm" xor:"from where" placeholder:"URL" help:"Routed distances, class B, from this OSRM server, such as http://127.0.0.1:5000. What is registered stays."`
	OSRMShortest string        `name:"osrm-shortest" placeholder:"URL" help:"The shortest routes from this one, whose profile has weight_name distance; without it the shortest of the alternatives counts."`
	Profile      string        `default:"driving" placeholder:"NAME" help:"Profile of the server."`
	Alternatives int           `default:"3" placeholder:"N" help:"Alternative routes to ask for, 0 to 10."`
	Take         string        `enum:"fastest,shortest" default:"fastest" placeholder:"WHICH" help:"Which route is the distance: fastest or shortest; min_km and max_km have both."`
	Sites        bool          `help:"Fill also between sites of one carrier and plane of which one has a location of its own."`
	MaxOffKM     float64       `name:"max-off-km" default:"5" placeholder:"KM" help:"How far a place may be from the nearest road of the map."`
	Map          string        `default:"OpenStreetMap contributors (ODbL)" placeholder:"NAME" help:"What map the server has, for the source."`
	Pause        time.Duration `default:"1s" placeholder:"TIME" help:"Pause between requests; public servers allow one a second. 0s for your own."`
	Partial      bool          `help:"Should the server fail, write what it told until then; the next run asks for the rest."`
}

// Run fills, and writes the file once all is known.
func (c *distancesCommand) Run(ctx context.Context, env *cli.Env) error {
	if err := c.usage(); err != nil {
		return cli.Usage(err)
	}
	m, err := mesh.Load(c.Mesh)
	if err != nil {
		return err
	}
	if _, err := mesh.Moment(c.From).In(m.Location()); err != nil {
		return cli.Usage(fmt.Errorf("--from: %w", err))
	}
	book := distances.NewBook(m)
	outcomes, failed := c.fill(ctx, env, m, book)
	if failed != nil && !(c.Partial && book.Changed()) {
		if c.OSRM != "" && book.Changed() {
			return fmt.Errorf("%w; nothing is written (--partial writes what was found)", failed)
		}
		return failed
	}
	if err := c.write(env, m, book, outcomes); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("%w; what was found is entered, and the same command asks for the rest", failed)
	}
	return allFound(outcomes)
}

func (c *distancesCommand) usage() error {
	switch {
	case c.CSV == "" && c.OSRM == "":
		return errors.New("say where the distances are from: --csv FILE for registered ones, --osrm URL for routed ones")
	case c.CSV != "" && (c.OSRMShortest != "" || c.Sites || c.Partial):
		return errors.New("--osrm-shortest, --sites and --partial go with --osrm; a CSV file names its ends, and is entered whole or not at all")
	case c.OSRM != "" && c.Source != "":
		return errors.New("--source goes with --csv; the map of an OSRM server is named by --map")
	case c.Pause < 0 || c.Pause > time.Hour:
		return fmt.Errorf("--pause %s is not within 0s to 1h", c.Pause)
	case !(c.MaxOffKM >= 0 && c.MaxOffKM <= 500):
		return fmt.Errorf("--max-off-km %v is not within 0 to 500", c.MaxOffKM)
	}
	return nil
}

func (c *distancesCommand) fill(ctx context.Context, env *cli.Env, m *mesh.Mesh, book *distances.Book) ([]distances.Outcome, error) {
	if c.CSV != "" {
		return distances.ReadRegistered(c.CSV, distances.Register{Source: c.Source, From: mesh.Moment(c.From)}, book)
	}
	if err := distances.CheckSource(c.Map); err != nil {
		return nil, cli.Usage(fmt.Errorf("--map: %w", err))
	}
	manners := distances.Manners{
		Profile: c.Profile, Alternatives: c.Alternatives, Pause: c.Pause,
		UserAgent: "fibergauge-analyzer/" + cli.Version() + " (+https://github.com/fibergauge/fibergauge)",
	}
	survey := distances.Survey{
		TakeShortest: c.Take == "shortest", Sites: c.Sites, MaxOffMeters: int64(c.MaxOffKM * 1000), Map: c.Map,
		From: mesh.Moment(c.From), Today: time.Now().In(m.Location()), Progress: progress(env),
	}
	fast, err := distances.NewServer(c.OSRM, manners)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--osrm: %w", err))
	}
	survey.Fast = fast
	if c.OSRMShortest != "" {
		short, err := distances.NewServer(c.OSRMShortest, manners)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("--osrm-shortest: %w", err))
		}
		survey.Short = short
	}
	return survey.Fill(ctx, book)
}

// progress shows on a terminal how far it is, because a public server is asked
// no more than once a second.
func progress(env *cli.Env) func(asked, all int) {
	file, ok := env.Stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func(int, int) {}
	}
	return func(asked, all int) {
		if asked == all {
			fmt.Fprint(file, "\r\x1b[K")
			return
		}
		fmt.Fprintf(file, "\r\x1b[Kroad %d of %d", asked+1, all)
	}
}

func (c *distancesCommand) write(env *cli.Env, m *mesh.Mesh, book *distances.Book, outcomes []distances.Outcome) error {
	if !book.Changed() {
		if c.DryRun {
			return nil // an empty diff, as diff prints it
		}
		return c.print(env, outcomes, fmt.Sprintf("%s has nothing to change, and is left as it is", c.Mesh))
	}
	text, edited, err := distances.Edit(c.Mesh, book)
	if err != nil {
		return err
	}
	warn(env, edited, book, outcomes)
	if c.DryRun {
		_, err := fmt.Fprint(env.Stdout, text.Diff(c.Mesh))
		return err
	}
	if err := distances.Replace(c.Mesh, m.Bytes(), text.Bytes()); err != nil {
		return err
	}
	return c.print(env, outcomes, fmt.Sprintf("%s is written; its version is %s", c.Mesh, edited.SHA256()))
}

// warn tells of what somebody should look at, in the file as it is to be.
func warn(env *cli.Env, edited *mesh.Mesh, book *distances.Book, outcomes []distances.Outcome) {
	for _, warning := range edited.Warnings() {
		env.Log.Warn(warning)
	}
	for _, o := range outcomes {
		if o.Distance == nil || o.Distance.Class != mesh.ClassA || o.Result == distances.Kept {
			continue
		}
		for _, sites := range book.Hidden(o.Distance) {
			env.Log.Warn("a distance between sites wins over the registered one between their clusters; take it out, or register one between the sites",
				"sites", sites.String(), "clusters", o.Ends.String())
		}
	}
}

func (c *distancesCommand) print(env *cli.Env, outcomes []distances.Outcome, last string) error {
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENDS\tCLASS\tKM\tSHORTEST\tFASTEST\t× GEODESIC\tRESULT")
	for _, o := range outcomes {
		class, km, shortest, fastest, times := "–", "–", "–", "–", "–"
		if d := o.Distance; d != nil {
			class, km = string(d.Class), fmt.Sprintf("%.3f", d.KM)
			times = fmt.Sprintf("%.2f", d.KM*1000/float64(o.GeodesicMeters))
			if d.MinKM != 0 && d.MaxKM != 0 {
				shortest, fastest = fmt.Sprintf("%.3f", d.MinKM), fmt.Sprintf("%.3f", d.MaxKM)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.Ends, class, km, shortest, fastest, times, result(o))
	}
	fmt.Fprintf(w, "\n%s\n", last)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the distances: %w", err)
	}
	return nil
}

func result(o distances.Outcome) string {
	text := string(o.Result)
	if o.Before != nil {
		text += fmt.Sprintf(" %g km of class %s", o.Before.KM, o.Before.Class)
	}
	if o.Distance != nil && o.Distance.From != "" && (o.Result == distances.Added || o.Result == distances.Replaced) {
		text += " from " + string(o.Distance.From)
	}
	if o.Why != "" {
		text += ": " + o.Why
	}
	return text
}

// allFound makes a failure of roads that no server found: a script should not
// take a mesh with gaps for a full one.
func allFound(outcomes []distances.Outcome) error {
	open, first := 0, ""
	for _, o := range outcomes {
		if o.Result == distances.Open {
			if open++; first == "" {
				first = o.Ends.String() + ": " + o.Why
			}
		}
	}
	if open > 0 {
		return fmt.Errorf("%d of %d distances stay open: %s", open, len(outcomes), first)
	}
	return nil
}
