package distances

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/mesh"
)

// ByDistance is the weight_name of an OSRM profile that prefers short routes;
// each server prefers by one weight, fixed when its map was prepared.
const ByDistance = "distance"

// asker is a *Server, or a test's.
type asker interface {
	Ask(ctx context.Context, a, b mesh.Location) (Answer, error)
	String() string
}

// Survey asks servers for the roads of a mesh.
type Survey struct {
	Fast         asker       // a server that prefers fast routes
	Short        asker       // one that prefers short ones, or nil: then the shortest of Fast's alternatives counts
	TakeShortest bool        // km is the shortest route, else the fastest
	Sites        bool        // also between sites of which one has a place of its own
	MaxOffMeters int64       // how far a place may be from the nearest road
	Map          string      // what map the servers have, for the source
	From         mesh.Moment // from when on what is found counts; empty: always
	Today        time.Time   // stands in the source
	Progress     func(asked, all int)
}

// Fill enters a class B distance wherever there is none, and with From in place
// of those of class B and C; nothing registered is touched. Where a server
// fails it gives what was found until then and the error.
func (s *Survey) Fill(ctx context.Context, b *Book) ([]Outcome, error) {
	var outcomes []Outcome
	var wanted []int
	for _, ends := range s.ends(b.mesh) {
		out, ask, err := s.wants(b, ends)
		if err != nil {
			return nil, err
		}
		if ask {
			wanted = append(wanted, len(outcomes))
		}
		outcomes = append(outcomes, out)
	}
	known := map[[2]mesh.Location]found{}
	for n, i := range wanted {
		s.Progress(n, len(wanted))
		var err error
		if outcomes[i], err = s.fill(ctx, b, outcomes[i].Ends, known); err != nil {
			for _, rest := range wanted[n:] {
				outcomes[rest].Result, outcomes[rest].Why = Open, "not asked"
			}
			return outcomes, fmt.Errorf("%d of %d roads are found: %w", n, len(wanted), err)
		}
	}
	s.Progress(len(wanted), len(wanted))
	return outcomes, nil
}

// ends are the pairs of clusters, then those of sites that do not simply stand
// where their clusters do.
func (s *Survey) ends(m *mesh.Mesh) []Ends {
	var all []Ends
	for _, pair := range m.Pairs() {
		all = append(all, Ends{false, pair.A, pair.B})
	}
	for i := 0; s.Sites && i < len(m.Sites); i++ {
		for j := range i {
			x, y := &m.Sites[j], &m.Sites[i]
			if x.Cluster != y.Cluster && x.Carrier == y.Carrier && x.Plane == y.Plane && (x.Location != nil || y.Location != nil) {
				all = append(all, Ends{true, x.ID, y.ID})
			}
		}
	}
	return all
}

// wants tells whether a road is to be asked for, and why not.
func (s *Survey) wants(b *Book, ends Ends) (Outcome, bool, error) {
	out := Outcome{Ends: ends, Result: Kept, GeodesicMeters: b.geodesicMeters(ends)}
	registered, err := b.registered(ends, s.From)
	if err != nil {
		return out, false, err
	}
	if registered != nil {
		out.Distance, out.Why = registered, "it is registered"
		return out, false, nil
	}
	life, err := b.life(&mesh.Distance{From: s.From})
	if err != nil {
		return out, false, err
	}
	met, err := b.meeting(ends, life)
	if err != nil {
		return out, false, err
	}
	for _, i := range met {
		there := b.entries[i].Distance // entries move when others are entered
		held, err := b.life(&there)
		if err != nil {
			return out, false, err
		}
		out.Distance = &there
		switch {
		case s.From == "":
			out.Why = "it is there already; --from DATE replaces it from then on"
			return out, false, nil
		case !held.from.IsZero() && !held.from.Before(life.from):
			out.Why = "it begins no earlier than " + string(s.From)
			return out, false, nil
		}
	}
	return out, true, nil
}

type found struct {
	answer   Answer
	shortest int64
	off      int64
	source   string
}

func (s *Survey) fill(ctx context.Context, b *Book, ends Ends, known map[[2]mesh.Location]found) (Outcome, error) {
	out := Outcome{Ends: ends, Result: Open, GeodesicMeters: b.geodesicMeters(ends)}
	x, y := b.place(ends)
	// Sites of several carriers in one place need one question.
	places := [2]mesh.Location{{Lat: x.Lat, Lon: x.Lon}, {Lat: y.Lat, Lon: y.Lon}}
	f, ok := known[places]
	if !ok {
		var err error
		f, err = s.ask(ctx, places[0], places[1])
		var none *NoRouteError
		if errors.As(err, &none) {
			out.Why = err.Error()
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w", ends, err)
		}
		known[places] = f
	}
	if f.off > s.MaxOffMeters {
		out.Why = fmt.Sprintf("the nearest road is %s away from one of the places; correct the place, or allow it by --max-off-km", kilometres(inKM(f.off)))
		return out, nil
	}
	d := mesh.Distance{
		Class: mesh.ClassB, KM: inKM(f.answer.FastestMeters), Source: f.source,
		MinKM: inKM(f.shortest), MaxKM: inKM(f.answer.FastestMeters), From: s.From,
	}
	if s.TakeShortest {
		d.KM = d.MinKM
	}
	if d.Clusters = []string{ends.A, ends.B}; ends.Sites {
		d.Clusters, d.Sites = nil, d.Clusters
	}
	return b.Put(d)
}

func (s *Survey) ask(ctx context.Context, x, y mesh.Location) (found, error) {
	fast, err := s.Fast.Ask(ctx, x, y)
	if err != nil {
		return found{}, err
	}
	if fast.WeightName == ByDistance {
		return found{}, fmt.Errorf("%s prefers short routes (weight_name distance), so its routes are not the fastest; give it as --osrm-shortest", s.Fast)
	}
	f := found{answer: fast, shortest: fast.ShortestMeters, off: fast.OffMeters}
	routes := fmt.Sprintf("fastest and shortest of %d routes", fast.Routes)
	if fast.Routes == 1 {
		routes = "the one route"
	}
	shortest := ""
	if s.Short != nil {
		short, err := s.Short.Ask(ctx, x, y)
		if err != nil {
			return found{}, err
		}
		if short.WeightName != ByDistance {
			return found{}, fmt.Errorf("%s does not prefer short routes (weight_name %s, not distance); prepare its map by a profile with weight_name distance", s.Short, short.WeightName)
		}
		f.shortest, f.off = min(f.shortest, short.ShortestMeters), max(f.off, short.OffMeters)
		routes, shortest = "fastest", fmt.Sprintf(", shortest by %s", s.Short)
	}
	date := "date of the map not told"
	if fast.MapDate != "" {
		date = "map of " + fast.MapDate
	}
	f.source = fmt.Sprintf("%s, %s; %s by OSRM at %s%s, asked %s", s.Map, date, routes, s.Fast, shortest, s.Today.Format(time.DateOnly))
	return f, nil
}
