// Package distances fills the distances of a mesh.yaml: registered ones (class
// A) from a CSV file, routed ones (class B) from an OSRM server. What comes
// out is the same file with entries added and ended; every other byte of it
// stays, comments and order included.
//
// A Book says what may be entered; Registered reads a CSV file and Survey asks
// servers, both into a Book; Edit puts the Book into the text of the file, and
// Replace that text into the place of the file.
package distances

import (
	"fmt"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/mesh"
)

// Ends are the two places that a distance joins.
type Ends struct {
	Sites bool // else clusters
	A, B  string
}

// String is the ends as a table shows them.
func (e Ends) String() string { return e.A + "–" + e.B }

func (e Ends) joins(d *mesh.Distance) bool {
	ids := d.Clusters
	if e.Sites {
		ids = d.Sites
	}
	return len(ids) == 2 && (ids[0] == e.A && ids[1] == e.B || ids[0] == e.B && ids[1] == e.A)
}

func endsOf(d *mesh.Distance) Ends {
	if d.Sites != nil {
		return Ends{true, d.Sites[0], d.Sites[1]}
	}
	return Ends{false, d.Clusters[0], d.Clusters[1]}
}

// Result is what became of a distance.
type Result string

// Results.
const (
	Added     Result = "added"
	Replaced  Result = "replaces" // the one before ends where this begins
	Unchanged Result = "unchanged"
	Kept      Result = "kept" // what is there stays, and Why says why
	Open      Result = "open" // none could be found, and Why says why
)

// Outcome is what became of the distance between two ends.
type Outcome struct {
	Ends           Ends
	Result         Result
	Distance       *mesh.Distance // the one that counts now; nil where none does
	Before         *mesh.Distance // the one that was replaced
	GeodesicMeters int64
	Why            string
}

// Book is the distances of a mesh as they are to be. Entries of the file stay
// in their order; a new one follows the one that it replaces, or comes last.
type Book struct {
	mesh    *mesh.Mesh
	entries []entry
}

type entry struct {
	mesh.Distance
	origin int  // index in the file; -1 for a new one
	ended  bool // its until is set by a successor
}

// NewBook begins with the distances of the file.
func NewBook(m *mesh.Mesh) *Book {
	b := &Book{mesh: m}
	for i, d := range m.Distances {
		b.entries = append(b.entries, entry{d, i, false})
	}
	return b
}

// Changed tells whether the book differs from the file.
func (b *Book) Changed() bool {
	return slices.ContainsFunc(b.entries, func(e entry) bool { return e.ended || e.origin < 0 })
}

// Put enters a distance. What held at its beginning ends there. Nothing that
// begins later is touched, and nothing is replaced without a date: what was
// judged by a distance has to stay explained.
func (b *Book) Put(d mesh.Distance) (Outcome, error) {
	ends := endsOf(&d)
	out := Outcome{Ends: ends, Result: Added, GeodesicMeters: b.geodesicMeters(ends)}
	if err := checkLength(&d, out.GeodesicMeters); err != nil {
		return out, err
	}
	life, err := b.life(&d)
	if err != nil {
		return out, err
	}
	met, err := b.meeting(ends, life)
	if err != nil {
		return out, err
	}
	for _, i := range met {
		e := b.entries[i].Distance
		held, err := b.life(&e)
		if err != nil {
			return out, err
		}
		// One that was entered before and has a successor since is no news.
		entered := life.until.IsZero() && held.from.Equal(life.from)
		if sameRoad(&d, &e) && (entered || held.covers(life)) {
			out.Result, out.Distance = Unchanged, &e
			return out, nil
		}
	}
	before := -1
	for _, i := range met {
		if err := b.inTheWay(&d, life, &b.entries[i]); err != nil {
			return out, err
		}
		before = i
	}
	if d.Medium == "" {
		d.Medium = mesh.Fibre
	}
	at := len(b.entries)
	if before >= 0 {
		old := &b.entries[before]
		was := old.Distance
		out.Result, out.Before = Replaced, &was
		old.Until, old.ended, at = d.From, true, before+1
	}
	b.entries = slices.Insert(b.entries, at, entry{d, -1, false})
	out.Distance = &d
	return out, nil
}

// meeting lists the entries between two ends that hold at some moment of life.
func (b *Book) meeting(ends Ends, life span) ([]int, error) {
	var met []int
	for i := range b.entries {
		held, err := b.life(&b.entries[i].Distance)
		if err != nil {
			return nil, err
		}
		if ends.joins(&b.entries[i].Distance) && held.meets(life) {
			met = append(met, i)
		}
	}
	return met, nil
}

// inTheWay says why a distance cannot end e, which holds at the same time.
func (b *Book) inTheWay(d *mesh.Distance, life span, e *entry) error {
	held, err := b.life(&e.Distance)
	if err != nil {
		return err
	}
	was := fmt.Sprintf("%s: %s of class %s, %s", endsOf(d), kilometres(e.KM), e.Class, describe(&e.Distance))
	switch {
	case e.Class == mesh.ClassA && d.Class != mesh.ClassA:
		return fmt.Errorf("%s, is registered, and stays", was)
	case d.From == "":
		return fmt.Errorf("%s, is there already; give the date from which the other one counts, by --from or a column from", was)
	case !held.from.IsZero() && !held.from.Before(life.from):
		return fmt.Errorf("%s, begins no earlier than %s; give a later date, or take that entry out of the mesh first", was, d.From)
	case !life.until.IsZero() && (held.until.IsZero() || held.until.After(life.until)):
		return fmt.Errorf("%s, would go on after %s; enter what holds then, or leave until out", was, d.Until)
	}
	if d.Medium == "" {
		d.Medium = e.Medium
	}
	return nil
}

// registered finds a registered distance that holds at some moment from one
// on: between the ends, or between the clusters of two sites, over which one
// between the sites would win.
func (b *Book) registered(ends Ends, from mesh.Moment) (*mesh.Distance, error) {
	life, err := b.life(&mesh.Distance{From: from})
	if err != nil {
		return nil, err
	}
	for i := range b.entries {
		e := &b.entries[i]
		held, err := b.life(&e.Distance)
		if err != nil {
			return nil, err
		}
		if e.Class == mesh.ClassA && held.meets(life) && (ends.joins(&e.Distance) || ends.Sites && b.clustersOf(ends).joins(&e.Distance)) {
			d := e.Distance
			return &d, nil
		}
	}
	return nil, nil
}

func (b *Book) clustersOf(sites Ends) Ends {
	return Ends{false, b.mesh.Site(sites.A).Cluster, b.mesh.Site(sites.B).Cluster}
}

// Hidden lists distances between sites that are not registered and so keep a
// registered one between their clusters from counting.
func (b *Book) Hidden(d *mesh.Distance) []Ends {
	var hidden []Ends
	life, err := b.life(d)
	if d.Clusters == nil || err != nil {
		return nil
	}
	for i := range b.entries {
		e := &b.entries[i]
		held, err := b.life(&e.Distance)
		if err == nil && e.Sites != nil && e.Class != mesh.ClassA && held.meets(life) && b.clustersOf(endsOf(&e.Distance)).joins(d) {
			hidden = append(hidden, endsOf(&e.Distance))
		}
	}
	return hidden
}

func (b *Book) place(ends Ends) (x, y mesh.Location) {
	if !ends.Sites {
		return b.mesh.Cluster(ends.A).Location, b.mesh.Cluster(ends.B).Location
	}
	own := func(s *mesh.Site) mesh.Location {
		if s.Location != nil {
			return *s.Location
		}
		return b.mesh.Cluster(s.Cluster).Location
	}
	return own(b.mesh.Site(ends.A)), own(b.mesh.Site(ends.B))
}

func (b *Book) geodesicMeters(ends Ends) int64 {
	x, y := b.place(ends)
	return mesh.GeodesicMeters(x, y)
}

// checkLength refuses what no road can be, before the mesh does: here it is
// known where the figure comes from.
func checkLength(d *mesh.Distance, geodesic int64) error {
	for _, length := range []struct {
		what string
		km   float64
	}{{"a road", d.KM}, {"the shortest route", d.MinKM}} {
		if length.km != 0 && meters(length.km) < geodesic {
			return fmt.Errorf("%s: %s of %s is shorter than the geodesic of %s; no road is, so check places and distance",
				endsOf(d), length.what, kilometres(length.km), kilometres(float64(geodesic)/1000))
		}
	}
	return nil
}

// sameRoad tells whether two entries say the same of a road. That a map was
// asked on another day is no news; that a register has another number is.
func sameRoad(d, e *mesh.Distance) bool {
	return d.KM == e.KM && d.MinKM == e.MinKM && d.MaxKM == e.MaxKM && d.Class == e.Class &&
		(d.Class != mesh.ClassA || d.Source == e.Source) && (d.Medium == "" || d.Medium == e.Medium)
}

func describe(d *mesh.Distance) string {
	switch {
	case d.From != "" && d.Until != "":
		return fmt.Sprintf("from %s until %s", d.From, d.Until)
	case d.From != "":
		return fmt.Sprintf("from %s", d.From)
	case d.Until != "":
		return fmt.Sprintf("until %s", d.Until)
	}
	return "without dates"
}

// span is [from, until); a zero bound is open.
type span struct{ from, until time.Time }

func (b *Book) life(d *mesh.Distance) (span, error) {
	from, err := d.From.In(b.mesh.Location())
	if err != nil {
		return span{}, fmt.Errorf("from: %v", err)
	}
	until, err := d.Until.In(b.mesh.Location())
	if err != nil {
		return span{}, fmt.Errorf("until: %v", err)
	}
	if !from.IsZero() && !until.IsZero() && !from.Before(until) {
		return span{}, fmt.Errorf("until %s is not after from, %s", d.Until, d.From)
	}
	return span{from, until}, nil
}

func (s span) meets(o span) bool {
	return (s.until.IsZero() || o.from.Before(s.until)) && (o.until.IsZero() || s.from.Before(o.until))
}

func (s span) covers(o span) bool {
	begins := s.from.IsZero() || !o.from.IsZero() && !o.from.Before(s.from)
	ends := s.until.IsZero() || !o.until.IsZero() && !o.until.After(s.until)
	return begins && ends
}
