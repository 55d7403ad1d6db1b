package datasource

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// ruled asks as an alert rule does.
func (s *Source) ruled(t *testing.T, text string) backend.DataResponse {
	t.Helper()
	response, err := s.QueryData(t.Context(), &backend.QueryDataRequest{
		Headers: map[string]string{"FromAlert": "true"}, Queries: []backend.DataQuery{asked(text)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return response.Responses["A"]
}

// numbersOf reads an answer as Grafana 9.3 does before it evaluates a rule: one
// frame of one column of numbers, the columns of words being labels. All others it
// takes for series over time.
func numbersOf(frames data.Frames) (map[string]float64, error) {
	found := map[string]float64{}
	if len(frames) == 1 && frames[0].TimeSeriesSchema().Type == data.TimeSeriesTypeNot {
		number := -1
		for i, f := range frames[0].Fields {
			if f.Type().Numeric() && number < 0 {
				number = i
			} else if f.Type() != data.FieldTypeString {
				return nil, fmt.Errorf("a second column that is no label: %s", f.Name)
			}
		}
		if number >= 0 {
			for row := range frames[0].Rows() {
				labels := data.Labels{}
				for i, f := range frames[0].Fields {
					if i != number {
						labels[f.Name] = f.At(row).(string)
					}
				}
				v, err := frames[0].FloatAt(number, row)
				if err != nil {
					return nil, err
				}
				found[labels.String()] = v
			}
			return found, nil
		}
	}
	for _, frame := range frames {
		if kind := frame.TimeSeriesSchema().Type; kind != data.TimeSeriesTypeWide {
			return nil, fmt.Errorf("input data must be a wide series but got type %s", kind)
		}
	}
	return found, nil
}

// TestOldRules: what a rule asks for, the oldest Grafana can evaluate, also of
// several ends and of none.
func TestOldRules(t *testing.T) {
	answers := map[string]any{"/api/v1/network": twoClusters(), "/api/v1/probes": &api.Probes{Probes: []api.Probe{
		{Site: "a1", Cluster: "aa", Carrier: "one", Plane: "optical", Clock: "synchronised"},
		{Site: "b1", Cluster: "bb", Carrier: "one", Plane: "optical", Clock: "unsynchronised"},
	}}}
	s := sourceAt(t, analyzer(t, answers).URL, "{}", nil)
	got := s.ruled(t, `{"queryType": "now", "metric": "unsynchronised"}`)
	if got.Error != nil {
		t.Fatal(got.Error)
	}
	have, err := numbersOf(got.Frames)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"carrier=one, cluster=aa, plane=optical, site=a1": 0,
		"carrier=one, cluster=bb, plane=optical, site=b1": 1,
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	answers["/api/v1/probes"] = &api.Probes{}
	got = sourceAt(t, analyzer(t, answers).URL, "{}", nil).ruled(t, `{"queryType": "now", "metric": "silent"}`)
	if have, err = numbersOf(got.Frames); got.Error != nil || err != nil || len(have) != 0 {
		t.Errorf("nothing is %v, %v, %v", have, got.Error, err)
	}
}

// TestNotYetSilent: a probe of which nothing was to come is no number, and the
// others that nothing came of were silent for all the time.
func TestNotYetSilent(t *testing.T) {
	s := sourceAt(t, analyzer(t, map[string]any{"/api/v1/probes": &api.Probes{Probes: []api.Probe{
		{Site: "a1", Points: []api.ProbePoint{{Expected: 0}, {Expected: 4}}}, {Site: "b1", Points: []api.ProbePoint{{Expected: 0}}},
	}}}).URL, "{}", nil)
	have, err := numbersOf(s.ruled(t, `{"queryType": "now", "metric": "silent"}`).Frames)
	want := map[string]float64{"carrier=, cluster=, plane=, site=a1": 30 * 24 * 3600}
	if diff := cmp.Diff(want, have); diff != "" || err != nil {
		t.Error(err, diff)
	}
}
