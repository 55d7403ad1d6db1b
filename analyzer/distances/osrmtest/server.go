// Package osrmtest is an OSRM server for tests: it speaks the route service of
// the HTTP API v1 as documented (https://project-osrm.org/docs/v5.24.0/api/),
// over loopback, and refuses what a real one refuses. Its map is made up: each
// road is the geodesic times a factor.
package osrmtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fibergauge/fibergauge/mesh"
)

// Road is a way between any two places of the map.
type Road struct {
	Circuity float64 // length over geodesic
	KMH      float64 // speed
}

// Server is one server. The exported fields are set before the first request.
type Server struct {
	URL string

	WeightName  string  // of the profile: routability is that of cars
	DataVersion string  // empty: not told
	Roads       []Road  // best first
	OffMeters   float64 // from a place to the nearest road
	// OldWaypoints leaves the distance of waypoints out, as servers before 5.21.
	OldWaypoints bool
	// Code, if it gives one, is what the server answers for two places.
	Code func(a, b mesh.Location) (code, message string)
	// Instead, if it is set and gives true, has answered the nth request.
	Instead func(n int, w http.ResponseWriter) bool

	mu       sync.Mutex // protects what follows
	requests []*http.Request
	now      int
	most     int
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		WeightName: "routability", DataVersion: "2026-11-20T21:21:03Z", OffMeters: 12.34,
		Roads: []Road{{1.3, 100}, {1.25, 60}, {1.35, 99}},
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Requests are those that came, in their order.
func (s *Server) Requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// MostAtOnce is how many requests were under way at one time.
func (s *Server) MostAtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	n := len(s.requests)
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	if s.Instead != nil && s.Instead(n, w) {
		return
	}
	status, body := s.answer(r.URL)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

type object map[string]any

func refuse(code, message string) (int, object) {
	return http.StatusBadRequest, object{"code": code, "message": message}
}

var path = regexp.MustCompile(`^/([a-z]+)/([a-z0-9]+)/([^/]+)/([^/]+)$`)

func (s *Server) answer(u *url.URL) (int, object) {
	m := path.FindStringSubmatch(u.Path)
	switch {
	case m == nil:
		return refuse("InvalidUrl", "URL string malformed close to position 1: \""+u.Path+"\"")
	case m[1] != "route":
		return refuse("InvalidService", "Service "+m[1]+" not found!")
	case m[2] != "v1":
		return refuse("InvalidVersion", "Service "+m[1]+" not found for version "+m[2]+"!")
	}
	places, ok := coordinates(m[4])
	if !ok {
		return refuse("InvalidQuery", "Query string malformed close to position "+strconv.Itoa(len(u.Path)-len(m[4])))
	}
	alternatives := 0
	for option, values := range u.Query() {
		value := values[0]
		switch {
		case option == "alternatives" && (value == "true" || value == "false"):
			if value == "true" {
				alternatives = 1
			}
		case option == "alternatives":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return refuse("InvalidQuery", "Query string malformed close to position 1")
			}
			alternatives = n
		case option == "overview" && slices.Contains([]string{"simplified", "full", "false"}, value),
			(option == "steps" || option == "generate_hints") && (value == "true" || value == "false"):
		default:
			return refuse("InvalidQuery", "Query string malformed close to position 1")
		}
	}
	if alternatives > 3 {
		return refuse("TooBig", "Requested number of alternatives is higher than current maximum (3)")
	}
	if s.Code != nil {
		if code, message := s.Code(places[0], places[1]); code != "" {
			return refuse(code, message)
		}
	}
	return http.StatusOK, s.routes(places, 1+alternatives)
}

func (s *Server) routes(places []mesh.Location, most int) object {
	var routes, waypoints []object
	geodesic := float64(mesh.GeodesicMeters(places[0], places[1]))
	for _, road := range s.Roads[:min(most, len(s.Roads))] {
		length := geodesic * road.Circuity
		seconds := length / 1000 / road.KMH * 3600
		weight := seconds
		if s.WeightName == "distance" {
			weight = length
		}
		leg := object{"distance": length, "duration": seconds, "weight": weight, "summary": "", "steps": []object{}}
		routes = append(routes, object{
			"distance": length, "duration": seconds, "weight": weight, "weight_name": s.WeightName, "legs": []object{leg},
		})
	}
	for _, place := range places {
		// A thousandth of a degree of latitude is 111 m, whatever the place.
		waypoint := object{"name": "G6", "location": []float64{place.Lon, place.Lat + s.OffMeters/111_000}}
		if !s.OldWaypoints {
			waypoint["distance"] = s.OffMeters
		}
		waypoints = append(waypoints, waypoint)
	}
	answer := object{"code": "Ok", "routes": routes, "waypoints": waypoints}
	if s.DataVersion != "" {
		answer["data_version"] = s.DataVersion
	}
	return answer
}

// coordinates reads lon,lat;lon,lat.
func coordinates(text string) ([]mesh.Location, bool) {
	var places []mesh.Location
	for pair := range strings.SplitSeq(text, ";") {
		lon, lat, comma := strings.Cut(pair, ",")
		x, errX := strconv.ParseFloat(lon, 64)
		y, errY := strconv.ParseFloat(lat, 64)
		if !comma || errX != nil || errY != nil || x < -180 || x > 180 || y < -90 || y > 90 {
			return nil, false
		}
		places = append(places, mesh.Location{Lat: y, Lon: x})
	}
	return places, len(places) == 2
}
