package report

import (
	"context"
	"sync"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// spoilt are records of which windows come between the reading of days and of
// their hours: the hours are those of other days, and the days are gone.
type spoilt struct {
	mu   sync.Mutex // protects days
	days map[latency.DayKey][]byte
}

func (s *spoilt) Load(_ context.Context, keys []latency.DayKey, hours bool) ([]*latency.Day, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	days := make([]*latency.Day, len(keys))
	for i, key := range keys {
		if data := s.days[key]; data != nil && !hours {
			days[i] = &latency.Day{}
			if err := days[i].UnmarshalBinary(data); err != nil {
				return nil, err
			}
		}
	}
	return days, nil
}

func (s *spoilt) LoadSums(ctx context.Context, keys []latency.DayKey) ([]*latency.Day, error) {
	return s.Load(ctx, keys, false)
}

func (s *spoilt) LoadHours(context.Context, []latency.DayKey, []*latency.Day) error { return nil }
func (s *spoilt) Reserve(context.Context, []latency.DayKey) error                   { return nil }

func (s *spoilt) Save(_ context.Context, keys []latency.DayKey, days []*latency.Day) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, key := range keys {
		data, err := days[i].MarshalBinary()
		if err != nil {
			return err
		}
		s.days[key] = data
	}
	return nil
}

// By the windows that came meanwhile a link may be clear of the limit: then
// nothing of it is explained or drawn.
func TestClearByWhatCameMeanwhile(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	period := on(t, m, "2025-06-03")
	plan, err := NewPlan(m, policy.Default(), period, nil)
	if err != nil {
		t.Fatal(err)
	}
	records := &spoilt{days: map[latency.DayKey][]byte{}}
	by := func(us uint32) *api.Report {
		s := &scenario.Store{}
		s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(us, 60), 0, nil)
		r, err := Build(t.Context(), plan, s, Options{GeneratedBy: "test", Complete: true, Records: records})
		if err != nil {
			t.Fatal(err)
		}
		return valid(t, r)
	}
	if slow := by(60_000); slow.Pairs[0].Verdict != api.NonCompliant || len(slow.Distributions) != 1 {
		t.Fatalf("%s, %d distributions", slow.Pairs[0].Verdict, len(slow.Distributions))
	}
	// The days that are kept say that it is slow, and the store does not.
	if clear := by(16_000); clear.Pairs[0].Verdict != api.Compliant || len(clear.Pairs[0].Diagnosis) > 0 || len(clear.Distributions) > 0 {
		t.Errorf("%s, diagnosis %v, %d distributions", clear.Pairs[0].Verdict, clear.Pairs[0].Diagnosis, len(clear.Distributions))
	}
}
