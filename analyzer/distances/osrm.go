package distances

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/mesh"
)

// Bounds on one answer: routes without geometry are some kilobytes, and a route
// across a continent is found in seconds.
const (
	maxAnswer     = 1 << 20
	answerTimeout = 60 * time.Second
)

// MaxAlternatives bounds how many other routes are asked for; servers take
// three unless set up otherwise.
const MaxAlternatives = 10

// Server is an OSRM server, spoken to by the route service of its HTTP API v1.
// It is asked by one request at a time.
type Server struct {
	base         *url.URL
	profile      string
	alternatives int
	pause        time.Duration
	userAgent    string
	client       *http.Client
	asked        time.Time // when the last request was over
}

// Manners are how a server is asked.
type Manners struct {
	Profile      string        // of the roads, such as driving; servers with one profile take any
	Alternatives int           // routes to ask for besides the best, up to MaxAlternatives
	Pause        time.Duration // between an answer and the next request
	UserAgent    string        // names program and version: public servers ask for it
	Transport    http.RoundTripper
}

// NewServer takes an address such as http://127.0.0.1:5000 or
// https://routing.example/routed-car, up to where /route/v1 begins.
func NewServer(address string, manners Manners) (*Server, error) {
	base, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is not the address of a server; write one like http://127.0.0.1:5000", clean(address))
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Contains(base.Path, "/route/") {
		return nil, fmt.Errorf("the address of an OSRM server has no user, no query, and ends before /route/v1; write one like %s://%s", base.Scheme, base.Host)
	}
	if p := manners.Profile; p == "" || strings.ContainsAny(p, "/?#%") || p != clean(p) {
		return nil, fmt.Errorf("%q is not the name of a profile; most servers have driving", clean(p))
	}
	if manners.Alternatives < 0 || manners.Alternatives > MaxAlternatives {
		return nil, fmt.Errorf("%d alternatives are not within 0 to %d", manners.Alternatives, MaxAlternatives)
	}
	return &Server{
		base: base, profile: manners.Profile, alternatives: manners.Alternatives, pause: manners.Pause, userAgent: manners.UserAgent,
		client: &http.Client{Transport: manners.Transport, Timeout: answerTimeout},
	}, nil
}

// String is the address without its scheme, and the profile: as sources name
// it.
func (s *Server) String() string { return s.base.Host + s.base.Path + " (" + s.profile + ")" }

// Answer is what a server knows of the roads between two places.
type Answer struct {
	FastestMeters  int64 // of the routes, the one with the least time
	ShortestMeters int64 // of the routes, the one with the least length
	Routes         int
	WeightName     string // by what the server prefers routes: its profile's weight_name
	MapDate        string // data_version, if the server tells it
	OffMeters      int64  // how far the farther of the places is from the nearest road
}

// NoRouteError says that a server knows no road between two places; other
// places may have one.
type NoRouteError struct{ Code, Message string }

// Error gives code and message of the server.
func (e *NoRouteError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("the server finds no road: %s: %s", e.Code, e.Message), ": ")
}

// Ask asks for the routes from a to b. Any error but a *NoRouteError means that
// further requests make no sense now.
func (s *Server) Ask(ctx context.Context, a, b mesh.Location) (Answer, error) {
	if err := s.wait(ctx); err != nil {
		return Answer{}, err
	}
	defer func() { s.asked = time.Now() }()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(a, b), nil)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", s, err)
	}
	request.Header.Set("User-Agent", s.userAgent)
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err // the long address says nothing to the user
		}
		return Answer{}, fmt.Errorf("ask %s: %w", s, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: the answer breaks off: %w", s, err)
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		after := ""
		if wait := clean(response.Header.Get("Retry-After")); wait != "" {
			after = ", Retry-After " + wait
		}
		return Answer{}, fmt.Errorf("%s asks to be left alone (%s%s); try again later, with a longer --pause", s, status(response), after)
	}
	answer, err := decode(body, a, b)
	var none *NoRouteError
	if err != nil && !errors.As(err, &none) {
		err = fmt.Errorf("%s answers %s: %w", s, status(response), err)
	}
	return answer, err
}

func status(r *http.Response) string { return strings.TrimSpace(clean(r.Status)) }

// wait keeps the pause, so that a public server meets no more than what it
// allows one user: one request a second is the usual bound.
func (s *Server) wait(ctx context.Context) error {
	if s.asked.IsZero() {
		return nil
	}
	timer := time.NewTimer(s.pause - time.Since(s.asked))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("ask %s: %w", s, context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}

func (s *Server) url(a, b mesh.Location) string {
	degrees := func(l mesh.Location) string {
		return strconv.FormatFloat(l.Lon, 'f', -1, 64) + "," + strconv.FormatFloat(l.Lat, 'f', -1, 64)
	}
	alternatives := "false"
	if s.alternatives > 0 {
		alternatives = strconv.Itoa(s.alternatives)
	}
	return s.base.JoinPath("route", "v1", s.profile).String() + "/" + degrees(a) + ";" + degrees(b) +
		"?alternatives=" + alternatives + "&overview=false&steps=false&generate_hints=false"
}

// reply is what is read of an answer of the route service
// (https://project-osrm.org/docs/v5.24.0/api/). Servers before 5.21 leave the
// distance of a waypoint out, and only some tell data_version.
type reply struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	DataVersion string `json:"data_version"`
	Routes      []struct {
		Meters     float64 `json:"distance"`
		Seconds    float64 `json:"duration"`
		WeightName string  `json:"weight_name"`
	} `json:"routes"`
	Waypoints []struct {
		OffMeters *float64  `json:"distance"`
		LonLat    []float64 `json:"location"`
	} `json:"waypoints"`
}

var errNotOSRM = errors.New("which is not how OSRM answers; the address goes up to where /route/v1 begins")

// decode reads an answer. The places are those that were asked for, to tell
// how far from the roads they are.
func decode(body []byte, a, b mesh.Location) (Answer, error) {
	var r reply
	if len(body) > maxAnswer || json.Unmarshal(body, &r) != nil || r.Code == "" {
		return Answer{}, errNotOSRM
	}
	code, message := short(r.Code), short(r.Message)
	switch code {
	case "Ok":
	case "NoRoute", "NoSegment":
		return Answer{}, &NoRouteError{code, message}
	case "TooBig":
		return Answer{}, fmt.Errorf("%s: %s; ask for fewer by --alternatives", code, message)
	default:
		return Answer{}, fmt.Errorf("%s: %s", code, message)
	}
	if len(r.Routes) == 0 || len(r.Waypoints) != 2 {
		return Answer{}, fmt.Errorf("with %d routes between %d places, where at least one between two was asked for", len(r.Routes), len(r.Waypoints))
	}
	answer := Answer{Routes: len(r.Routes), WeightName: short(r.Routes[0].WeightName), MapDate: short(r.DataVersion)}
	fastest := math.Inf(1)
	for _, route := range r.Routes {
		if !(route.Meters > 0 && route.Meters <= 40_000_000) || !(route.Seconds >= 0) {
			return Answer{}, fmt.Errorf("with a route of %g m in %g s, which is none", route.Meters, route.Seconds)
		}
		length := int64(math.Round(route.Meters))
		if route.Seconds < fastest {
			fastest, answer.FastestMeters = route.Seconds, length
		}
		if answer.ShortestMeters == 0 || length < answer.ShortestMeters {
			answer.ShortestMeters = length
		}
	}
	for i, place := range []mesh.Location{a, b} {
		w := r.Waypoints[i]
		var off float64
		switch {
		case w.OffMeters != nil:
			off = *w.OffMeters
		case len(w.LonLat) == 2:
			off = float64(mesh.GeodesicMeters(place, mesh.Location{Lon: w.LonLat[0], Lat: w.LonLat[1]}))
		default:
			return Answer{}, errors.New("without telling where the route begins and ends")
		}
		if !(off >= 0 && off <= 40_000_000) {
			return Answer{}, fmt.Errorf("with a road %g m away from a place, which cannot be", off)
		}
		answer.OffMeters = max(answer.OffMeters, int64(math.Round(off)))
	}
	return answer, nil
}

// short bounds what a server may put into a line of ours.
func short(text string) string {
	const most = 120
	text = strings.TrimSpace(clean(text))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
