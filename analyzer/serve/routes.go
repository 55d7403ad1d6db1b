package serve

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/series"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/docs"
)

// Paths that are answered; docs/openapi-analyzer.yaml says how.
const (
	OpenAPIPath     = "/api/v1/openapi.yaml"
	SchemaPath      = "/api/v1/report.schema.json"
	ReportPath      = "/api/v1/report"
	MonthsPath      = "/api/v1/months"
	monthPath       = MonthsPath + "/{month}"
	filePath        = monthPath + "/{file}" // report.pdf and the like
	pairsPath       = monthPath + "/pairs"
	pairPath        = pairsPath + "/{a}/{b}"
	SeriesPath      = "/api/v1/series"
	HeatmapPath     = "/api/v1/heatmap"
	AnnotationsPath = "/api/v1/annotations"
	ProbesPath      = "/api/v1/probes"
	WindowsPath     = "/api/v1/windows"
	NetworkPath     = "/api/v1/network"
	StatusPath      = "/api/v1/status"
	ReadersPath     = "/api/v1/readers"
	metricsPath     = "/metrics"
	healthPath      = "/healthz"
)

// route is how one path is answered, and to whom.
type route struct {
	roles  []readers.Role
	answer func(w http.ResponseWriter, r *http.Request, reader *readers.Reader)
}

// shelf is where the reports are from. What is made ends with the context.
func (s *Server) shelf(ctx context.Context) *shelf.Shelf {
	return shelf.New(ctx, shelf.Config{
		Mesh: s.Mesh, Policy: s.Policy, Store: s.Store, Days: s.Days, GeneratedBy: s.GeneratedBy, Log: s.Log,
	})
}

// Handler answers the requests until the context ends.
func (s *Server) Handler(ctx context.Context) http.Handler { return s.handler(s.shelf(ctx)) }

// routes are all paths, as patterns of http.ServeMux.
func (s *Server) routes(of parts) map[string]route {
	made, seen, turns, admitted := of.made, of.seen, of.turns, of.admitted
	everybody, admin := readers.Roles(), []readers.Role{readers.Admin}
	// A series, as a window, is what an end measured.
	ends := []readers.Role{readers.Regulator, readers.Carrier, readers.Admin}
	metrics := s.Metrics.handler()
	return map[string]route{
		OpenAPIPath: {everybody, s.document("application/yaml", docs.AnalyzerOpenAPI)},
		SchemaPath:  {everybody, s.document("application/schema+json", api.ReportSchema)},
		ReportPath: {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.report(w, r, reader, made, turns)
		}},
		MonthsPath: {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.months(w, r, reader, made, seen)
		}},
		monthPath: {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) { s.month(w, r, reader, made) }},
		filePath: {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.file(w, r, reader, made, turns)
		}},
		pairsPath: {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) { s.pairs(w, r, reader, made) }},
		pairPath:  {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) { s.pair(w, r, reader, made) }},
		SeriesPath: {ends, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.series(w, r, reader, made, turns, of.sums)
		}},
		HeatmapPath: {ends, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.heatmap(w, r, reader, made, turns)
		}},
		AnnotationsPath: {ends, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.annotations(w, r, reader, made, turns)
		}},
		ProbesPath: {ends, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.probes(w, r, reader, made, turns, admitted)
		}},
		WindowsPath: {ends, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.windows(w, r, reader, made, turns)
		}},
		NetworkPath: {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) { s.network(w, r, reader, made) }},
		StatusPath: {everybody, func(w http.ResponseWriter, r *http.Request, _ *readers.Reader) {
			s.status(w, r, made, seen)
		}},
		ReadersPath: {admin, s.readers},
		metricsPath: {admin, func(w http.ResponseWriter, r *http.Request, _ *readers.Reader) { metrics.ServeHTTP(w, r) }},
		healthPath:  {everybody, s.health},
	}
}

// asking is the reader of a request, in its context.
type asking struct{}

// parts are what answers share.
type parts struct {
	made     *shelf.Shelf
	seen     *history
	turns    *turns
	admitted *admissions
	sums     *series.Sums
}

// sumBytes is what sums of months may take: those of a year of a hundred ends are
// some 20 MB.
const sumBytes = 128 << 20

func (s *Server) parts(made *shelf.Shelf) parts {
	return parts{made, newHistory(s.Store, made), newTurns(), newAdmissions(s.Store, made), series.NewSums(sumBytes)}
}

func (s *Server) handler(made *shelf.Shelf) http.Handler { return s.handlerOf(s.parts(made)) }

func (s *Server) handlerOf(of parts) http.Handler {
	site := s.site(of.made, of.seen, of.turns)
	door := &access{list: s.Readers, session: site.session, now: time.Now, tries: newTries(), metrics: s.Metrics, log: newQuiet(s.Log)}
	site.door = door
	mux := http.NewServeMux()
	routes := s.routes(of)
	maps.Copy(routes, site.routes())
	for pattern, route := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			reader := r.Context().Value(asking{}).(*readers.Reader)
			switch {
			case r.Method != http.MethodGet && r.Method != http.MethodHead:
				w.Header().Set("Allow", "GET, HEAD")
				problem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%.20q is not answered here; use GET", r.Method))
			case door.permit(w, reader, r, route.roles...):
				route.answer(w, r, reader)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		answer.Header().Set("X-Content-Type-Options", "nosniff")
		// No page from elsewhere takes in what a browser may have from here.
		answer.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		pattern, role := "", ""
		reader := (*readers.Reader)(nil)
		if pattern = site.open(answer, r); pattern == "" {
			// Strangers do not even learn which paths there are.
			reader = door.identify(answer, r)
		}
		if reader != nil {
			role = string(reader.Role)
			// A path that is not clean would be redirected, which no reader needs.
			if _, pattern = mux.Handler(r); pattern == "" || r.URL.Path != path.Clean(r.URL.Path) {
				pattern = ""
				site.nothing(answer, r, reader)
			} else {
				mux.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), asking{}, reader)))
			}
		}
		s.Metrics.requests.WithLabelValues(pattern, role, strconv.Itoa(answer.status)).Inc()
	})
}
