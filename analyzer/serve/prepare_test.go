package serve

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// Where clocks are set at midnight the day that begins is the next one still.
func TestMidnight(t *testing.T) {
	for _, zone := range []string{"UTC", "Asia/Shanghai", "America/Havana", "America/Santiago", "Africa/Cairo"} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(2025, 1, 1, 12, 30, 0, 0, location); at.Year() == 2025; at = at.Add(5 * time.Hour) {
			today, tomorrow := midnight(at, 0), midnight(at, 1)
			switch {
			case today.After(at) || !tomorrow.After(at):
				t.Errorf("%s: the day of %s is from %s to %s", zone, at, today, tomorrow)
			case today.Day() != at.Day() || today.Add(-time.Nanosecond).Day() == at.Day() || tomorrow.Day() == at.Day() || tomorrow.Add(-time.Nanosecond).Day() != at.Day():
				t.Errorf("%s: the day of %s is not from %s to %s", zone, at, today, tomorrow)
			}
		}
	}
}

// A pair has a figure of every day, also of one that does not begin at 0:00.
func TestPairPageWhereClocksChangeAtMidnight(t *testing.T) {
	m := scenario.Mesh(t, "America/Havana", []string{"zq-one-a a one optical both", "zq-one-b b one optical both"}, nil)
	source := &scenario.Store{}
	for day := 8; day <= 10; day++ { // of March 2025: the ninth begins at 1:00
		from := midnight(time.Date(2025, 3, day, 12, 0, 0, 0, m.Location()), 0)
		source.Both(t, m, "zq-one-a", "zq-one-b", from, from.Add(time.Minute), scenario.Same(uint32(20_000+day), 60), 0, nil)
	}
	s := &Server{Mesh: m, Policy: policy.Default(), Store: source, GeneratedBy: "test", Metrics: NewMetrics("test"), Log: slog.New(slog.DiscardHandler)}
	response := visit(t, s.Handler(t.Context())).get("/months/2025-03/pairs/a/b")
	body := response.Body.String()
	if response.Code != http.StatusOK {
		t.Fatalf("%d %s", response.Code, body)
	}
	for day := 8; day <= 10; day++ {
		if row := fmt.Sprintf(`<th scope="row">%d March 2025</th><td class="n">60</td>`, day); strings.Count(body, row) != 2 || !strings.Contains(body, fmt.Sprintf("20.0%02d", day)) {
			t.Errorf("day %d: no row %q twice in\n%s", day, row, body)
		}
	}
	if n := strings.Count(body, " March 2025</th>"); n != 2*31 {
		t.Errorf("%d days", n)
	}
}
