// Package datasource answers Grafana's queries with what the analyzer says.
//
// A query comes as JSON (Query), is asked of the analyzer through package api
// (upstream), and becomes frames, in a file for each type of query. Nothing is
// computed here but ratios and differences of figures that the analyzer gave:
// percentiles, verdicts and rates are its own.
package datasource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"golang.org/x/sync/errgroup"
)

// PluginID is that of plugin.json.
const PluginID = "fibergauge-latency-datasource"

// Source is one data source as it is set up in Grafana.
type Source struct {
	backend.CallResourceHandler
	upstream *upstream
	now      func() time.Time
}

// New makes a data source. Settings that cannot work are said when it is asked,
// so that Save & test can show them.
func New(_ context.Context, settings backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	up, err := newUpstream(settings)
	if err != nil {
		up = &upstream{broken: err}
	}
	s := &Source{upstream: up, now: time.Now}
	s.CallResourceHandler = httpadapter.New(s.resources())
	return s, nil
}

// Dispose closes the connections, when Grafana has other settings.
func (s *Source) Dispose() { s.upstream.close() }

// answers is how each type of query is answered.
var answers = map[string]func(*Source, context.Context, *Query) (data.Frames, error){
	TypeSeries: (*Source).series, TypeHeatmap: (*Source).heatmap, TypeRate: (*Source).rate,
	TypeVerdicts: (*Source).verdicts, TypeMatrix: (*Source).matrix, TypePairs: (*Source).pairs,
	TypeChanges: (*Source).changes, TypeSites: (*Source).sites, TypeLinks: (*Source).links,
	TypeProbes: (*Source).probes, TypeProbeSeries: (*Source).probeSeries, TypeNow: (*Source).nowValues,
	TypeAnnotations: (*Source).annotations,
}

// QueryData answers the queries of a panel, side by side: those that ask the same
// of the analyzer wait for one answer.
func (s *Source) QueryData(ctx context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	found := make([]backend.DataResponse, len(request.Queries))
	rule := ofRule(request.Headers)
	var group errgroup.Group
	for i := range request.Queries {
		group.Go(func() error {
			if found[i] = s.answer(ctx, request.Queries[i]); rule {
				found[i].Frames = forRule(found[i].Frames)
			}
			return nil
		})
	}
	_ = group.Wait() // an answer holds its own error
	response := backend.NewQueryDataResponse()
	for i := range request.Queries {
		response.Responses[request.Queries[i].RefID] = found[i]
	}
	return response, nil
}

func (s *Source) answer(ctx context.Context, asked backend.DataQuery) (response backend.DataResponse) {
	defer func() {
		// One query must not end the others, and Grafana shows what is said here.
		if r := recover(); r != nil {
			response = refused(backend.StatusInternal, backend.ErrorSourcePlugin,
				fmt.Errorf("the plugin failed, which is a mistake in it: please report it with this query: %v", r))
		}
	}()
	query, err := ParseQuery(asked)
	if err != nil {
		return refused(backend.StatusBadRequest, backend.ErrorSourceDownstream, err)
	}
	frames, err := answers[query.Type](s, ctx, query)
	var empty *emptyError
	if errors.As(err, &empty) {
		frames, err = nothing(empty.executed, empty.why), nil
	}
	if err != nil {
		return s.upstream.refuse(err)
	}
	if len(frames) == 0 {
		frames = data.Frames{data.NewFrame("")} // no data, in Grafana's data plane
	}
	for _, frame := range frames {
		frame.RefID = asked.RefID
	}
	return backend.DataResponse{Frames: frames, Status: backend.StatusOK}
}

func refused(status backend.Status, source backend.ErrorSource, err error) backend.DataResponse {
	return backend.DataResponse{Error: err, Status: status, ErrorSource: source}
}
