package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
)

// ask gets an answer of a server without readers.
func ask[T any](t *testing.T, handler http.Handler, target string) (answer T) {
	t.Helper()
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest("GET", target, nil))
	if response.Code != 200 {
		t.Fatalf("%s: %d %s", target, response.Code, response.Body)
	}
	if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return answer
}

// The rates of a month are those of its report, for every plane, and the same for
// whoever asks: they are public.
func TestRatesOfPlanes(t *testing.T) {
	s, _, tokens, _ := guarded(t)
	handler := s.Handler(t.Context())
	get := func(who, target string, into any) {
		t.Helper()
		request := httptest.NewRequest("GET", target, nil)
		request.Header.Set("Authorization", "Bearer "+tokens[who])
		response := httptest.NewRecorder()
		if handler.ServeHTTP(response, request); response.Code != 200 {
			t.Fatalf("%s %s: %d %s", who, target, response.Code, response.Body)
		}
		if err := json.Unmarshal(response.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	var report api.Report
	get("admin", MonthsPath+"/2025-06/report.json", &report)
	var want []api.PlaneRates
	for _, p := range report.Planes {
		want = append(want, api.PlaneRates{Plane: p.Plane, Rate: p.Rate, Carriers: p.Carriers, Hubs: p.Hubs})
	}
	if len(want) != 3 || len(want[0].Carriers) != 2 || len(want[0].Hubs) != 1 {
		t.Fatalf("the report has %+v", want)
	}
	for _, who := range []string{"admin", "one", "viewer"} {
		var month api.MonthSummary
		get(who, MonthsPath+"/2025-06", &month)
		if diff := cmp.Diff(want, month.Planes); diff != "" {
			t.Errorf("%s (-report +month):\n%s", who, diff)
		}
		var list api.Months
		get(who, MonthsPath, &list)
		if len(list.Months) != 1 || !cmp.Equal(want, list.Months[0].Planes) {
			t.Errorf("%s: list: %+v", who, list.Months)
		}
	}
}

// The months that a list begins with are made when the server starts, newest first,
// without anybody asking; a month that cannot be made keeps none of the others.
func TestMonthsAreMadeAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source, _ := minute(t)
		zone := s.Mesh.Location()
		time.Sleep(time.Until(time.Date(2026, 9, 15, 12, 0, 0, 0, zone)))
		for i := range 14 {
			source.Put(t, scenario.Window(s.Mesh, "c1", "b1", time.Date(2026, time.Month(9-i), 1, 0, 0, 0, 0, zone), scenario.Same(20_000, 60), 0))
		}
		of := s.parts(s.shelf(t.Context()))
		s.lookAhead(t.Context(), of)
		answer := ask[api.Months](t, s.handlerOf(of), MonthsPath+"?limit=14")
		for i, m := range answer.Months {
			// That the thirteenth is not there shows that the list makes none at once.
			if m.Pending != (i >= monthsAtOnce) {
				t.Errorf("%s: pending %v", m.Month, m.Pending)
			}
		}
		if len(answer.Months) != 14 {
			t.Errorf("%d months", len(answer.Months))
		}
		synctest.Wait()
		source.Err = errors.New("no answer")
		s.lookAhead(t.Context(), s.parts(s.shelf(t.Context()))) // says so, and ends
	})
}

// Months are listed newest first, page by page, those without windows left out;
// what was imported later is found.
func TestMonths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source, _ := minute(t)
		zone := s.Mesh.Location()
		time.Sleep(time.Until(time.Date(2025, 9, 15, 12, 0, 0, 0, zone)))
		put := func(year int, month time.Month, day int) {
			source.Put(t, scenario.Window(s.Mesh, "c1", "b1", time.Date(year, month, day, 0, 0, 0, 0, zone), scenario.Same(20_000, 60), 0))
		}
		put(2025, 9, 1)
		put(2025, 7, 31)
		put(2024, 12, 1)
		handler := s.Handler(t.Context())
		list := func(query string) (names []string, before string) {
			t.Helper()
			for {
				answer := ask[api.Months](t, handler, MonthsPath+query)
				names, pending := []string(nil), 0
				for _, m := range answer.Months {
					if names = append(names, fmt.Sprint(m.Month, " ", m.Complete)); m.Pending {
						pending++
					} else if m.Rate.Total != 3 || m.Origins == nil {
						t.Errorf("%s: %+v", m.Month, m)
					}
				}
				if pending == 0 {
					return names, answer.Before
				}
				synctest.Wait() // one of them is made
			}
		}
		for _, c := range []struct {
			query, before string
			want          []string
		}{
			{"", "", []string{"2025-09 false", "2025-07 true", "2025-06 true", "2024-12 true"}},
			{"?limit=2", "2025-07", []string{"2025-09 false", "2025-07 true"}},
			{"?limit=2&before=2025-07", "", []string{"2025-06 true", "2024-12 true"}},
			{"?before=2024-12", "", nil},
			{"?before=2030-01&limit=1", "2025-09", []string{"2025-09 false"}},
		} {
			names, before := list(c.query)
			if diff := cmp.Diff(c.want, names); diff != "" || before != c.before {
				t.Errorf("%s: before %q, want %q; months (-want +got):\n%s", c.query, before, c.before, diff)
			}
		}
		put(2024, 11, 1)
		put(2025, 8, 2)
		time.Sleep(emptyFor)
		want := []string{"2025-09 false", "2025-08 true", "2025-07 true", "2025-06 true", "2024-12 true", "2024-11 true"}
		if names, _ := list(""); !cmp.Equal(names, want) {
			t.Errorf("after an import: %v", names)
		}
		status := ask[api.Status](t, handler, StatusPath)
		if status.NewestEnd == nil || *status.NewestEnd != "2025-09-01T00:01:00+08:00" {
			t.Errorf("%+v", status)
		}
	})
}

// A filter leaves pairs out, pages leave none out, and a pair is found from
// either end.
func TestPairs(t *testing.T) {
	s, _, _ := minute(t)
	handler := s.Handler(t.Context())
	const june = MonthsPath + "/2025-06"
	names := func(pairs []api.Pair) (names []string) {
		for _, p := range pairs {
			names = append(names, fmt.Sprintf("%s %s>%s", p.Plane, p.Pair[0], p.Pair[1]))
		}
		return names
	}
	all := ask[api.Pairs](t, handler, june+"/pairs")
	if len(all.Pairs) != 9 || all.Total != 9 || all.Cursor != "" {
		t.Fatalf("%d of %d pairs, cursor %q", len(all.Pairs), all.Total, all.Cursor)
	}
	var paged []api.Pair
	for at := "?limit=4"; at != ""; {
		page := ask[api.Pairs](t, handler, june+"/pairs"+at)
		paged = append(paged, page.Pairs...)
		if at = ""; page.Cursor != "" {
			at = "?limit=4&cursor=" + page.Cursor
		}
	}
	if diff := cmp.Diff(all.Pairs, paged); diff != "" {
		t.Errorf("page by page (-all +paged):\n%s", diff)
	}
	for query, want := range map[string][]string{
		"?plane=optical&cluster=a":          {"optical a>b", "optical a>c"},
		"?carrier=one":                      {"optical a>b", "optical a>c", "optical b>c"},
		"?hub=hub&plane=private-ip&limit=1": {"private-ip a>b"},
		"?hub=nowhere":                      nil,
		"?plane=optical&verdict=compliant":  nil,
	} {
		if got := names(ask[api.Pairs](t, handler, june+"/pairs"+query).Pairs); !cmp.Equal(got, want) {
			t.Errorf("%s: %v", query, got)
		}
	}
	there, back := ask[api.Pairs](t, handler, june+"/pairs/a/b"), ask[api.Pairs](t, handler, june+"/pairs/b/a")
	if diff := cmp.Diff(there, back); diff != "" || len(there.Pairs) != 3 || len(there.Links) != 1 || len(there.Links[0].Ends) != 2 {
		t.Errorf("%d pairs, %d links; (-there +back):\n%s", len(there.Pairs), len(there.Links), diff)
	}
}
