package serve

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// network says what is measured now, as far as the reader may see it.
func (s *Server) network(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf) {
	if _, err := queryOf(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	m, err := made.Newest(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.sendJSON(w, r, s.networkOf(m, time.Now(), reader), time.Time{})
}

func (s *Server) networkOf(m *mesh.Mesh, now time.Time, reader *readers.Reader) *api.Network {
	out := &api.Network{
		Schema: api.SchemaNetwork, Name: m.Name, MeshSHA256: m.SHA256(), TimeZone: m.TimeZone, Judged: m.Judged,
		Hubs: report.Hubs(m), Clusters: report.Clusters(m), Carriers: report.Carriers(m), Planes: []string{}, Tests: []api.Test{},
		Sites: []api.Site{}, Links: []api.NetworkLink{},
	}
	for _, p := range m.Planes {
		out.Planes = append(out.Planes, string(p))
	}
	for _, t := range m.Measure {
		out.Tests = append(out.Tests, api.Test{
			Test: t.Name, Method: string(t.Method), IntervalMS: t.IntervalMS, WindowS: t.WindowS, SizeBytes: t.SizeBytes, DSCP: t.DSCP,
		})
	}
	own := ownOf(reader)
	for i := range m.Sites {
		site := &m.Sites[i]
		if !site.ActiveAt(now) || own != nil && !slices.Contains(own, site.Carrier) {
			continue
		}
		place := m.Cluster(site.Cluster).Location
		if site.Location != nil {
			place = *site.Location
		}
		out.Sites = append(out.Sites, api.Site{
			ID: site.ID, Cluster: site.Cluster, Carrier: site.Carrier, Plane: string(site.Plane), Role: string(site.Role), Lat: place.Lat, Lon: place.Lon,
		})
	}
	light, factor := s.Policy.Theory.Light(), s.Policy.Theory.Factor.Rat()
	for _, link := range m.MeasuredAt(now) {
		src, dst := m.Site(link.Src), m.Site(link.Dst)
		if own != nil && !slices.Contains(own, src.Carrier) {
			continue
		}
		route := m.Route(src, dst, now)
		rtt := light.RouteRTTUS(route)
		shown := api.NetworkLink{
			Src: src.ID, Dst: dst.ID, Pair: [2]string{src.Cluster, dst.Cluster}, Carrier: src.Carrier, Plane: string(src.Plane),
			Tests: []string{}, DistanceKM: float64(route.Meters) / 1000, DistanceClass: string(route.Class), Estimated: route.Estimated,
			TheoreticalRTTMS: theory.NearMS(rtt), LimitRTTMS: theory.FloorMS(theory.LimitUS(rtt, factor)),
		}
		for i := range m.Measure {
			if m.Measures(&m.Measure[i], src, dst) {
				shown.Tests = append(shown.Tests, m.Measure[i].Name)
			}
		}
		out.Links = append(out.Links, shown)
	}
	return out
}

// status says how the server stands.
func (s *Server) status(w http.ResponseWriter, r *http.Request, made *shelf.Shelf, seen *history) {
	if _, err := queryOf(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	m, err := made.Newest(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out := api.Status{
		Schema: api.SchemaStatus, Server: s.GeneratedBy, Now: time.Now().In(m.Location()).Format(time.RFC3339),
		MeshSHA256: m.SHA256(), PolicySHA256: s.Policy.SHA256(), TimeZone: m.TimeZone,
	}
	end, any, err := seen.newestEnd(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if any {
		text := end.In(m.Location()).Format(time.RFC3339Nano)
		out.NewestEnd = &text
	}
	body, err := json.Marshal(&out)
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.fresh(w, "application/json", append(body, '\n'))
}

// document answers with what does not change while the program runs.
func (s *Server) document(kind string, text []byte) func(w http.ResponseWriter, r *http.Request, _ *readers.Reader) {
	body := shelf.NewBody(text)
	return func(w http.ResponseWriter, r *http.Request, _ *readers.Reader) {
		if _, err := queryOf(r); err != nil {
			problem(w, http.StatusBadRequest, err.Error())
			return
		}
		s.send(w, r, kind, body, time.Time{})
	}
}
