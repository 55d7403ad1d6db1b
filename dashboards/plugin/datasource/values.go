package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Value is one that a variable or a field of the editor offers.
type Value struct {
	Text  string `json:"text"`  // for people
	Value string `json:"value"` // as queries have it
}

// resources are what the editors ask for.
func (s *Source) resources() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /values", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		ask := &Query{Hubs: q["hubs"], Clusters: q["clusters"], Carriers: q["carriers"], Planes: q["planes"], Pairs: q["pairs"], Type: TypeSeries, From: s.now().AddDate(0, -1, 0), To: s.now()}
		err := ask.check()
		status := http.StatusBadRequest
		var values []Value
		if err == nil {
			values, err = s.values(r.Context(), q.Get("kind"), ask)
			if err != nil {
				code, text := s.upstream.explain(err)
				status, err = int(code), errors.New(text)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": err.Error()}) // Grafana shows it
			return
		}
		_ = json.NewEncoder(w).Encode(values) // who has gone needs no answer
	})
	return mux
}

// Kinds of values.
var kinds = []string{"hubs", "clusters", "carriers", "planes", "pairs", "ends", "sites", "tests", "months"}

// values lists those of a kind, narrowed by the lists of the query, in the order
// of the mesh.
func (s *Source) values(ctx context.Context, kind string, q *Query) ([]Value, error) {
	if !slices.Contains(kinds, kind) {
		return nil, &api.Error{Problem: api.Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("kind is %.40q; allowed: %v", kind, kinds)}}
	}
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	out := []Value{}
	add := func(text, value string) {
		if v := (Value{text, value}); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	switch kind {
	case "hubs":
		for _, h := range n.Hubs {
			add(either(h.EN, h.ID), h.ID)
		}
	case "clusters":
		for _, c := range n.Clusters {
			if q.takes(n.hubOf, [2]string{c.ID, c.ID}, first(q.Carriers), first(q.Planes)) {
				add(n.name(c.ID), c.ID)
			}
		}
	case "carriers":
		for _, c := range n.Carriers {
			add(either(c.EN, c.ID), c.ID)
		}
	case "planes":
		for _, p := range n.Planes {
			add(p, p)
		}
	case "tests":
		for _, t := range n.Tests {
			add(t.Test, t.Test)
		}
	case "sites":
		for _, site := range n.Sites {
			if q.takes(n.hubOf, [2]string{site.Cluster, site.Cluster}, site.Carrier, site.Plane) {
				add(site.ID, site.ID)
			}
		}
	case "pairs", "ends":
		n.addLinks(kind, q, add)
	case "months":
		err = s.addMonths(ctx, add)
	}
	return out, err
}

// addLinks lists pairs, each once whichever end is first, or ends.
func (n *network) addLinks(kind string, q *Query, add func(text, value string)) {
	for i := range n.Links {
		link := &n.Links[i]
		if !q.takes(n.hubOf, link.Pair, link.Carrier, link.Plane) {
			continue
		}
		if kind == "ends" {
			add(link.Src+" > "+link.Dst, link.Src+">"+link.Dst)
			continue
		}
		pair := n.ordered(link.Pair)
		add(n.pairName(pair), pair[0]+"/"+pair[1])
	}
}

func (s *Source) addMonths(ctx context.Context, add func(text, value string)) error {
	key := fmt.Sprintf("GET /api/v1/months?limit=%d", mostMonths)
	all, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*api.Months, error) { return c.Months(ctx, mostMonths, "") })
	if err != nil {
		return err
	}
	for _, m := range all.Months {
		add(m.Month, m.Month)
	}
	return nil
}
