package serve

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics count what the server does, for Prometheus.
type Metrics struct {
	registry *prometheus.Registry

	requests     *prometheus.CounterVec
	failed       *prometheus.CounterVec
	crowded      prometheus.Counter
	refusedFiles *prometheus.CounterVec
	filing       prometheus.Counter
	webhook      prometheus.Counter
}

// NewMetrics makes the counters of a program of the given version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fibergauge_analyzer_requests_total",
			Help: "Requests answered, by route, role of the reader (empty for strangers) and HTTP status.",
		}, []string{"route", "role", "status"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fibergauge_analyzer_failed_tries_total",
			Help: "Requests without the good token of a reader, by what was wrong with it.",
		}, []string{"token"}),
		crowded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fibergauge_analyzer_connections_refused_total",
			Help: "Connections closed at once because there were too many.",
		}),
		refusedFiles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fibergauge_analyzer_files_refused_total",
			Help: "Changed files that were refused while what was there before stayed.",
		}, []string{"file"}),
		filing: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fibergauge_analyzer_filing_failures_total",
			Help: "Times that the report of a month could not be filed; each is tried again.",
		}),
		webhook: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fibergauge_analyzer_webhook_failures_total",
			Help: "Times that the webhook could not be told of a filed report.",
		}),
	}
	for _, kind := range []string{tryMissing, tryMalformed, tryUnknown, tryExpired} {
		m.failed.WithLabelValues(kind) // so that a first one is seen as a rise
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fibergauge_analyzer_build_info",
		Help: "1 for the version that runs.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(
		m.requests, m.failed, m.crowded, m.refusedFiles, m.filing, m.webhook, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// FilingFailed counts a report that could not be filed.
func (m *Metrics) FilingFailed() { m.filing.Inc() }

// WebhookFailed counts a notice that was not taken.
func (m *Metrics) WebhookFailed() { m.webhook.Inc() }

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
