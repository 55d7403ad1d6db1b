package distances

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/distances/osrmtest"
	"github.com/fibergauge/fibergauge/mesh"
)

func server(t testing.TB, url string) *Server {
	t.Helper()
	s, err := NewServer(url, Manners{Profile: "driving", Alternatives: 3, UserAgent: "fibergauge-test/1"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var today = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func survey(s *Server) *Survey {
	return &Survey{Fast: s, MaxOffMeters: 5000, Map: "A map", Today: today, Progress: func(int, int) {}}
}

// host takes the port, which changes, out of a text.
func host(text, url string) string {
	return strings.ReplaceAll(text, strings.TrimPrefix(url, "http://"), "HOST")
}

func TestSurvey(t *testing.T) {
	const source = "A map, map of 2026-11-20T21:21:03Z; fastest and shortest of 3 routes by OSRM at HOST (driving), asked 2026-11-24"
	type found struct {
		Ends     string
		Result   Result
		KM       float64
		Min, Max float64
		Why      string
		From     mesh.Moment
	}
	ab := found{Ends: "a–b", Result: Added, KM: 1299.786, Min: 1249.794, Max: 1299.786}
	ac := found{Ends: "a–c", Result: Added, KM: 1443.684, Min: 1388.158, Max: 1443.684}
	bc := found{Ends: "b–c", Result: Added, KM: 1893.801, Min: 1820.963, Max: 1893.801}
	with := func(f found, change func(*found)) found { change(&f); return f }
	for _, c := range []struct {
		name      string
		distances string
		setup     func(*osrmtest.Server, *Survey)
		want      []found
		asked     int
	}{
		{"a mesh without distances", "", func(*osrmtest.Server, *Survey) {}, []found{ab, ac, bc}, 3},
		{"the shortest is the distance", "", func(_ *osrmtest.Server, s *Survey) { s.TakeShortest = true }, []found{
			with(ab, func(f *found) { f.KM = f.Min }), with(ac, func(f *found) { f.KM = f.Min }), with(bc, func(f *found) { f.KM = f.Min })}, 3},
		{"one route only, an old server", "", func(o *osrmtest.Server, _ *Survey) { o.Roads, o.OldWaypoints = o.Roads[:1], true }, []found{
			with(ab, func(f *found) { f.Min = f.KM }), with(ac, func(f *found) { f.Min = f.KM }), with(bc, func(f *found) { f.Min = f.KM })}, 3},
		{"what is there stays", some, func(*osrmtest.Server, *Survey) {}, []found{
			{Ends: "a–b", Result: Kept, KM: 1400, Why: "it is there already; --from DATE replaces it from then on"},
			{Ends: "a–c", Result: Kept, KM: 1350, Why: "it is registered", From: "2025-01-01"}, bc}, 1},
		{"from a date on", some, func(_ *osrmtest.Server, s *Survey) { s.From = "2026-01-01" }, []found{
			with(ab, func(f *found) { f.Result, f.From = Replaced, "2026-01-01" }),
			{Ends: "a–c", Result: Kept, KM: 1350, Why: "it is registered", From: "2025-01-01"},
			with(bc, func(f *found) { f.From = "2026-01-01" })}, 2},
		{"before a registered one begins", some, func(_ *osrmtest.Server, s *Survey) { s.From = "2024-01-01" }, []found{
			with(ab, func(f *found) { f.Result, f.From = Replaced, "2024-01-01" }),
			{Ends: "a–c", Result: Kept, KM: 1350, Why: "it is registered", From: "2025-01-01"},
			with(bc, func(f *found) { f.From = "2024-01-01" })}, 2},
		{"from the same date again", "distances:\n  - {clusters: [a, b], km: 1400, class: B, source: map, from: 2026-01-01}\n",
			func(_ *osrmtest.Server, s *Survey) { s.From = "2026-01-01" }, []found{
				{Ends: "a–b", Result: Kept, KM: 1400, Why: "it begins no earlier than 2026-01-01", From: "2026-01-01"},
				with(ac, func(f *found) { f.From = "2026-01-01" }), with(bc, func(f *found) { f.From = "2026-01-01" })}, 2},
		{"the map says the same", "distances:\n  - {clusters: [b, a], km: 1299.786, min_km: 1249.794, max_km: 1299.786, class: B, source: older map}\n",
			func(_ *osrmtest.Server, s *Survey) { s.From = "2026-01-01" }, []found{
				with(ab, func(f *found) { f.Result = Unchanged }),
				with(ac, func(f *found) { f.From = "2026-01-01" }), with(bc, func(f *found) { f.From = "2026-01-01" })}, 3},
		{"no road to c", "", func(o *osrmtest.Server, _ *Survey) {
			o.Code = func(_, b mesh.Location) (string, string) {
				if b.Lat > 40 {
					return "NoRoute", "Impossible route between points"
				}
				return "", ""
			}
		}, []found{ab,
			{Ends: "a–c", Result: Open, Why: "the server finds no road: NoRoute: Impossible route between points"},
			{Ends: "b–c", Result: Open, Why: "the server finds no road: NoRoute: Impossible route between points"}}, 3},
		{"a place off the map", "", func(o *osrmtest.Server, _ *Survey) {
			o.Code = func(a, _ mesh.Location) (string, string) {
				if a.Lon > 110 {
					return "NoSegment", "Could not find a matching segment for coordinate 0"
				}
				return "", ""
			}
		}, []found{ab, ac, {Ends: "b–c", Result: Open, Why: "the server finds no road: NoSegment: Could not find a matching segment for coordinate 0"}}, 3},
		{"far from any road", "", func(o *osrmtest.Server, _ *Survey) { o.OffMeters = 5001 }, []found{
			{Ends: "a–b", Result: Open, Why: "the nearest road is 5.001 km away from one of the places; correct the place, or allow it by --max-off-km"},
			{Ends: "a–c", Result: Open, Why: "the nearest road is 5.001 km away from one of the places; correct the place, or allow it by --max-off-km"},
			{Ends: "b–c", Result: Open, Why: "the nearest road is 5.001 km away from one of the places; correct the place, or allow it by --max-off-km"}}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := osrmtest.Start(t)
			s := survey(server(t, o.URL))
			c.setup(o, s)
			book := NewBook(parse(t, clusters+c.distances+tests))
			outcomes, err := s.Fill(t.Context(), book)
			if err != nil {
				t.Fatal(err)
			}
			var got []found
			for _, out := range outcomes {
				f := found{Ends: out.Ends.String(), Result: out.Result, Why: out.Why}
				if d := out.Distance; d != nil {
					f.KM, f.Min, f.Max, f.From = d.KM, d.MinKM, d.MaxKM, d.From
					if out.Result == Added && len(o.Roads) == 3 && host(d.Source, o.URL) != source {
						t.Errorf("source %s", d.Source)
					}
				}
				got = append(got, f)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := len(o.Requests()); n != c.asked || o.MostAtOnce() > 1 {
				t.Errorf("%d requests, %d at once; want %d, one after the other", n, o.MostAtOnce(), c.asked)
			}
			if book.Changed() {
				if _, _, err := Edit("mesh.yaml", book); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// What is asked is what OSRM's documentation says, with the name of the program.
func TestRequest(t *testing.T) {
	o := osrmtest.Start(t)
	if _, err := server(t, o.URL+"/").Ask(t.Context(), mesh.Location{Lat: 40.612, Lon: 115.065}, mesh.Location{Lat: -31.154, Lon: -0.5}); err != nil {
		t.Fatal(err)
	}
	r := o.Requests()[0]
	if want := "GET /route/v1/driving/115.065,40.612;-0.5,-31.154?alternatives=3&overview=false&steps=false&generate_hints=false"; r.Method+" "+r.RequestURI != want {
		t.Errorf("got  %s %s\nwant %s", r.Method, r.RequestURI, want)
	}
	if got := r.Header.Get("User-Agent"); got != "fibergauge-test/1" {
		t.Errorf("User-Agent %q", got)
	}
}

// Sites of two carriers in one place are one question; where the clusters'
// distance is registered, a map has no say between their sites either.
func TestSurveyOfSites(t *testing.T) {
	text := strings.Replace(clusters, "  - {id: one, name: {en: One}}\n", "  - {id: one, name: {en: One}}\n  - {id: two, name: {en: Two}}\n", 1) +
		"  - {id: a2, cluster: a, carrier: two, plane: optical, address: 192.0.2.4, role: both}\n" +
		"  - {id: b2, cluster: b, carrier: two, plane: optical, address: 192.0.2.5, role: both, location: {lat: 30.5, lon: 110.366}}\n" + some + tests
	o := osrmtest.Start(t)
	s := survey(server(t, o.URL))
	s.Sites = true
	book := NewBook(parse(t, strings.Replace(text, "km: 1400, class: B", "km: 1400, class: A", 1)))
	outcomes, err := s.Fill(t.Context(), book)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, out := range outcomes {
		got = append(got, out.Ends.String()+" "+string(out.Result)+" "+out.Why)
	}
	want := []string{"a–b kept it is registered", "a–c kept it is registered", "b–c added ", "a1–b1 kept it is registered", "b1–c1 added ", "a2–b2 kept it is registered"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	book = NewBook(parse(t, text))
	if _, err = s.Fill(t.Context(), book); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Edit("mesh.yaml", book); err != nil {
		t.Error(err)
	}
	// b–c and b1–c1 before, and now b–c, b1–c1 and one for a1–b1 and a2–b2.
	if n := len(o.Requests()); n != 5 {
		t.Errorf("%d requests", n)
	}
}

// The shortest of all routes is known only to a server that prefers by length.
func TestSurveyWithAServerForShortRoutes(t *testing.T) {
	fast, short := osrmtest.Start(t), osrmtest.Start(t)
	short.WeightName, short.Roads = ByDistance, []osrmtest.Road{{Circuity: 1.1, KMH: 40}}
	s := survey(server(t, fast.URL))
	s.Short = server(t, short.URL)
	book := NewBook(parse(t, clusters+tests))
	outcomes, err := s.Fill(t.Context(), book)
	if err != nil {
		t.Fatal(err)
	}
	d := outcomes[0].Distance
	if d.KM != 1299.786 || d.MinKM != 1099.819 || d.MaxKM != 1299.786 {
		t.Errorf("%+v", d)
	}
	if got, want := host(host(d.Source, fast.URL), short.URL), "A map, map of 2026-11-20T21:21:03Z; fastest by OSRM at HOST (driving), shortest by HOST (driving), asked 2026-11-24"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	s.Fast, s.Short = server(t, short.URL), nil
	_, err = s.Fill(t.Context(), NewBook(parse(t, clusters+tests)))
	if want := "0 of 3 roads are found: a–b: HOST (driving) prefers short routes (weight_name distance), so its routes are not the fastest; give it as --osrm-shortest"; host(errorText(err), short.URL) != want {
		t.Error(err)
	}
	s.Fast, s.Short = server(t, fast.URL), server(t, fast.URL)
	_, err = s.Fill(t.Context(), NewBook(parse(t, clusters+tests)))
	if want := "0 of 3 roads are found: a–b: HOST (driving) does not prefer short routes (weight_name routability, not distance); prepare its map by a profile with weight_name distance"; host(errorText(err), fast.URL) != want {
		t.Error(err)
	}
}

// The second answer is a fault: what was found before is told, and nothing more
// is asked.
func TestSurveyStopsAtAFault(t *testing.T) {
	answer := func(status int, header, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	ok := func(routes, waypoints string) func(http.ResponseWriter) {
		return answer(200, "", `{"code":"Ok","routes":[`+routes+`],"waypoints":[`+waypoints+`]}`)
	}
	const point = `{"distance":1,"location":[100,30]}`
	for _, c := range []struct {
		name    string
		instead func(http.ResponseWriter)
		want    string
	}{
		{"too many requests", answer(429, "60", "slow down"), "HOST (driving) asks to be left alone (429 Too Many Requests, Retry-After 60); try again later, with a longer --pause"},
		{"overload", answer(503, "", ""), "HOST (driving) asks to be left alone (503 Service Unavailable); try again later, with a longer --pause"},
		{"another server", answer(404, "", "<html>no</html>"), "HOST (driving) answers 404 Not Found: which is not how OSRM answers; the address goes up to where /route/v1 begins"},
		{"no code", answer(200, "", "{}"), "HOST (driving) answers 200 OK: which is not how OSRM answers; the address goes up to where /route/v1 begins"},
		{"too long", answer(200, "", strings.Repeat(" ", maxAnswer)+`{"code":"Ok"}`), "HOST (driving) answers 200 OK: which is not how OSRM answers; the address goes up to where /route/v1 begins"},
		{"InvalidUrl", answer(400, "", `{"code":"InvalidUrl","message":"URL string malformed close to position 9: \"/\u001b[31m\""}`),
			`HOST (driving) answers 400 Bad Request: InvalidUrl: URL string malformed close to position 9: "/[31m"`},
		{"TooBig", answer(400, "", `{"code":"TooBig","message":"Requested number of alternatives is higher than current maximum (3)"}`),
			"HOST (driving) answers 400 Bad Request: TooBig: Requested number of alternatives is higher than current maximum (3); ask for fewer by --alternatives"},
		{"no routes", ok("", point+","+point), "HOST (driving) answers 200 OK: with 0 routes between 2 places, where at least one between two was asked for"},
		{"a negative road", ok(`{"distance":-5,"duration":1}`, point+","+point), "HOST (driving) answers 200 OK: with a route of -5 m in 1 s, which is none"},
		{"nowhere", ok(`{"distance":1300000,"duration":1}`, `{},{}`), "HOST (driving) answers 200 OK: without telling where the route begins and ends"},
		{"farther than the earth", ok(`{"distance":1300000,"duration":1}`, point+`,{"distance":1e9}`), "HOST (driving) answers 200 OK: with a road 1e+09 m away from a place, which cannot be"},
		{"below the geodesic", ok(`{"distance":1110000,"duration":1},{"distance":1500000,"duration":2}`, point+","+point), "a–c: a road of 1110 km is shorter than the geodesic of 1110.526 km; no road is, so check places and distance"},
		{"the shortest below the geodesic", ok(`{"distance":1500000,"duration":1},{"distance":1110000,"duration":2}`, point+","+point), "a–c: the shortest route of 1110 km is shorter than the geodesic of 1110.526 km; no road is, so check places and distance"},
		{"cut", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "ask HOST (driving): EOF"},
		{"cut in the body", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, `{"code":"Ok"`)
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			panic(http.ErrAbortHandler)
		}, "ask HOST (driving): the answer breaks off: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := osrmtest.Start(t)
			o.Instead = func(n int, w http.ResponseWriter) bool {
				if n < 2 {
					return false
				}
				c.instead(w)
				return true
			}
			outcomes, err := survey(server(t, o.URL)).Fill(t.Context(), NewBook(parse(t, clusters+tests)))
			got := host(errorText(err), o.URL)
			// A fault of the server names the ends; the others begin with them.
			if want := "1 of 3 roads are found: " + c.want; got != want && got != "1 of 3 roads are found: a–c: "+c.want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if len(outcomes) != 3 || outcomes[0].Result != Added || outcomes[1].Result != Open || outcomes[2].Result != Open {
				t.Errorf("%+v", outcomes)
			}
			// A connection that was used before and ends without an answer is
			// tried once more by package http, on a new one.
			want := 2
			if c.name == "cut" {
				want = 3
			}
			if n := len(o.Requests()); n != want {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// transport answers as a server that needs a second for each answer.
type transport struct{ began []time.Time }

func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	tr.began = append(tr.began, time.Now())
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(time.Second):
	}
	const body = `{"code":"Ok","routes":[{"distance":2000000,"duration":72000}],"waypoints":[{"distance":1},{"distance":1}]}`
	return &http.Response{StatusCode: 200, Status: "200 OK", Body: io.NopCloser(strings.NewReader(body))}, nil
}

// The pause is between an answer and the next request, and can be broken off.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{}
		s, err := NewServer("http://osrm.example", Manners{Profile: "driving", Pause: 2 * time.Second, Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := survey(s).Fill(t.Context(), NewBook(parse(t, clusters+tests))); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		for _, b := range tr.began {
			at = append(at, b.Sub(begin))
		}
		if diff := cmp.Diff([]time.Duration{0, 3 * time.Second, 6 * time.Second}, at); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		// The answer came at 7 s: the next request would begin at 9 s.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.Ask(ctx, mesh.Location{Lat: 30, Lon: 100}, mesh.Location{Lat: 40, Lon: 100})
		if !errors.Is(err, context.DeadlineExceeded) || len(tr.began) != 3 || time.Since(begin) != 8*time.Second {
			t.Errorf("%v after %s, %d requests", err, time.Since(begin), len(tr.began))
		}
	})
}

func TestBadServers(t *testing.T) {
	for _, c := range []struct{ url, profile, want string }{
		{"127.0.0.1:5000", "driving", `"127.0.0.1:5000" is not the address of a server; write one like http://127.0.0.1:5000`},
		{"ftp://x", "driving", `"ftp://x" is not the address of a server; write one like http://127.0.0.1:5000`},
		{"http://me:secret@x", "driving", "the address of an OSRM server has no user, no query, and ends before /route/v1; write one like http://x"},
		{"https://x/route/v1/driving", "driving", "the address of an OSRM server has no user, no query, and ends before /route/v1; write one like https://x"},
		{"https://x?k=1", "driving", "the address of an OSRM server has no user, no query, and ends before /route/v1; write one like https://x"},
		{"http://x", "a/b", `"a/b" is not the name of a profile; most servers have driving`},
	} {
		if _, err := NewServer(c.url, Manners{Profile: c.profile}); errorText(err) != c.want {
			t.Errorf("%s: got %v, want %s", c.url, err, c.want)
		}
	}
	if _, err := NewServer("http://x", Manners{Profile: "driving", Alternatives: 11}); errorText(err) != "11 alternatives are not within 0 to 10" {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"code":"Ok","data_version":"2026","routes":[{"distance":1300000.5,"duration":46800,"weight_name":"routability"}],"waypoints":[{"distance":1.5},{"location":[100,30]}]}`))
	f.Add([]byte(`{"code":"NoRoute","message":"Impossible route between points"}`))
	f.Add([]byte(`{"code":"\u001b\n","routes":null}`))
	f.Add([]byte(`{"code":"Ok","routes":[{"distance":1e308,"duration":-1}],"waypoints":[{},{"location":[1e308,1e308]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := decode(body, mesh.Location{Lat: 30, Lon: 100}, mesh.Location{Lat: 40, Lon: 100})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q is no line", err)
			}
			return
		}
		if a.ShortestMeters < 0 || a.ShortestMeters > a.FastestMeters || a.FastestMeters > 40_000_000 || a.OffMeters < 0 || a.Routes < 1 {
			t.Errorf("%+v", a)
		}
		var r struct{ Routes []struct{ Distance float64 } }
		if err := json.Unmarshal(body, &r); err == nil && len(r.Routes) == 1 && int64(math.Round(r.Routes[0].Distance)) != a.FastestMeters {
			t.Errorf("%v is taken for %d m", r.Routes, a.FastestMeters)
		}
	})
}
