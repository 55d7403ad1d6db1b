// Package plugintest builds the data source as `make plugin` does and drives the
// program as Grafana does: started as a child, over the plugin protocol.
package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/fibergauge/fibergauge/dashboards/plugin/datasource"
)

// Plugin is a running one.
type Plugin struct {
	data        grpcplugin.DataClient
	diagnostics grpcplugin.DiagnosticsClient
	resource    grpcplugin.ResourceClient
}

// Start builds and starts the plugin, and ends it with the test.
func Start(t testing.TB) *Plugin {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "gpx_fibergauge_latency")
	build := exec.Command("go", "build", "-tags", "arrow_json_stdlib", "-o", binary, "github.com/fibergauge/fibergauge/dashboards/plugin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		Cmd: exec.Command(binary),
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: grpcplugin.ProtocolVersion, MagicCookieKey: grpcplugin.MagicCookieKey, MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]plugin.PluginSet{grpcplugin.ProtocolVersion: {
			"data": &grpcplugin.DataGRPCPlugin{}, "diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{}, "resource": &grpcplugin.ResourceGRPCPlugin{},
		}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
		StartTimeout:     time.Minute,
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	if err != nil {
		t.Fatalf("start the plugin: %v", err)
	}
	return &Plugin{
		data:        dispense[grpcplugin.DataClient](t, protocol, "data"),
		diagnostics: dispense[grpcplugin.DiagnosticsClient](t, protocol, "diagnostics"),
		resource:    dispense[grpcplugin.ResourceClient](t, protocol, "resource"),
	}
}

func dispense[T any](t testing.TB, protocol plugin.ClientProtocol, name string) T {
	t.Helper()
	raw, err := protocol.Dispense(name)
	if err != nil {
		t.Fatalf("the plugin does not offer %s: %v", name, err)
	}
	return raw.(T)
}

// Settings are those of a data source that asks an analyzer.
func Settings(url, token string) backend.PluginContext {
	return backend.PluginContext{PluginID: datasource.PluginID, DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
		ID: 1, UID: "fibergauge", Name: "Fibergauge", Type: datasource.PluginID, URL: url,
		JSONData: []byte("{}"), DecryptedSecureJSONData: map[string]string{"token": token}, Updated: time.Unix(1, 0),
	}}
}

// Query asks as a panel does.
func (p *Plugin) Query(ctx context.Context, of backend.PluginContext, queries ...backend.DataQuery) (backend.Responses, error) {
	return p.query(ctx, of, map[string]string{}, queries)
}

// Rule asks as an alert rule does.
func (p *Plugin) Rule(ctx context.Context, of backend.PluginContext, queries ...backend.DataQuery) (backend.Responses, error) {
	return p.query(ctx, of, map[string]string{"FromAlert": "true"}, queries)
}

func (p *Plugin) query(ctx context.Context, of backend.PluginContext, headers map[string]string, queries []backend.DataQuery) (backend.Responses, error) {
	request := backend.ToProto().QueryDataRequest(&backend.QueryDataRequest{PluginContext: of, Headers: headers, Queries: queries})
	answer, err := p.data.QueryData(ctx, request)
	if err != nil {
		return nil, err
	}
	response, err := backend.FromProto().QueryDataResponse(answer)
	if err != nil {
		return nil, err
	}
	return response.Responses, nil
}

// Health is what Save & test shows.
func (p *Plugin) Health(ctx context.Context, of backend.PluginContext) (*backend.CheckHealthResult, error) {
	answer, err := p.diagnostics.CheckHealth(ctx, &pluginv2.CheckHealthRequest{PluginContext: backend.ToProto().PluginContext(of)})
	if err != nil {
		return nil, err
	}
	return backend.FromProto().CheckHealthResponse(answer), nil
}

// Values are what a variable offers.
func (p *Plugin) Values(ctx context.Context, of backend.PluginContext, query string) ([]datasource.Value, error) {
	stream, err := p.resource.CallResource(ctx, backend.ToProto().CallResourceRequest(&backend.CallResourceRequest{
		PluginContext: of, Path: "values", Method: http.MethodGet, URL: "values?" + query,
	}))
	if err != nil {
		return nil, err
	}
	var body []byte
	status := 0
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if part.Code != 0 {
			status = int(part.Code)
		}
		body = append(body, part.Body...)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%d: %s", status, body)
	}
	var out []datasource.Value
	return out, json.Unmarshal(body, &out)
}
