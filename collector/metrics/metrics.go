// Package metrics counts what a collector does, for Prometheus. The HTTP side
// and the store report here; /metrics shows it, from a registry of its own.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Metrics are the collector's counters. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests    *prometheus.CounterVec
	stored      prometheus.Counter
	refused     *prometheus.CounterVec
	storeTime   *prometheus.HistogramVec
	storeErrors *prometheus.CounterVec
	mesh        *prometheus.GaugeVec
	meshRefused prometheus.Counter
	tlsEnds     *prometheus.GaugeVec
	tlsRevoked  *prometheus.GaugeVec
	tlsRefused  prometheus.Counter
	connections prometheus.Gauge
	ended       *prometheus.CounterVec
	handshakes  *prometheus.CounterVec
}

// New makes the counters of a program of the given version.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fibergauge_collector_requests_total",
			Help: "Requests answered, by route, HTTP status and code of the problem (empty if there was none).",
		}, []string{"route", "status", "code"}),
		stored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fibergauge_collector_windows_stored_total",
			Help: "Windows acknowledged as stored, those stored before included.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fibergauge_collector_windows_refused_total",
			Help: "Windows refused for ever, by code.",
		}, []string{"code"}),
		storeTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fibergauge_collector_store_seconds",
			Help:    "Time that calls of the store took, by operation.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"operation"}),
		storeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fibergauge_collector_store_errors_total",
			Help: "Calls of the store that failed, by operation and kind (retryable or permanent).",
		}, []string{"operation", "kind"}),
		mesh: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fibergauge_collector_mesh_info",
			Help: "1 for the version of the mesh that is served.",
		}, []string{"name", "sha256"}),
		meshRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fibergauge_collector_mesh_refused_total",
			Help: "Mesh files that were refused while an earlier version stayed.",
		}),
		tlsEnds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fibergauge_collector_tls_ends_timestamp_seconds",
			Help: "Unix time at which what a TLS listener lives on ends: certificate (its own), authority (of the sites, the first to end) or crl (list of revoked certificates, the first to expire).",
		}, []string{"what"}),
		tlsRevoked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fibergauge_collector_tls_revoked_certificates",
			Help: "Certificates that the lists in force name as revoked.",
		}, nil),
		tlsRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fibergauge_collector_tls_files_refused_total",
			Help: "Looks at the TLS files that found them wrong; what was in force stayed.",
		}),
	}
	m.connections = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fibergauge_collector_connections",
		Help: "Connections that are open.",
	})
	m.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fibergauge_collector_connections_ended_total",
		Help: "Connections that did not end well, by cause: displaced (others came and there was no room), no_request (what came was no request: too slow, too long, or not HTTP).",
	}, []string{"cause"})
	for _, cause := range []End{EndDisplaced, EndNoRequest} {
		m.ended.WithLabelValues(string(cause))
	}
	m.handshakes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fibergauge_collector_handshakes_failed_total",
		Help: "Connections that did not become TLS, by reason: revoked, certificate (of another authority, ended, or not for clients), disbelieved (the client refused the collector's certificate or sent another alert), version (below TLS 1.3), no_tls, timeout, gone, other.",
	}, []string{"reason"})
	for _, reason := range Handshakes() {
		m.handshakes.WithLabelValues(string(reason))
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fibergauge_collector_build_info",
		Help: "1 for the version that runs.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(
		m.requests, m.stored, m.refused, m.storeTime, m.storeErrors, m.mesh, m.meshRefused, build,
		m.tlsEnds, m.tlsRevoked, m.tlsRefused, m.connections, m.ended, m.handshakes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers with all counters in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request counts an answer. route is the pattern, not the path.
func (m *Metrics) Request(route string, status int, code wire.Code) {
	m.requests.WithLabelValues(route, strconv.Itoa(status), string(code)).Inc()
}

// Admitted counts the windows of an acknowledgement.
func (m *Metrics) Admitted(ack *wire.Ack) {
	m.stored.Add(float64(ack.Stored))
	for _, r := range ack.Refused {
		m.refused.WithLabelValues(string(r.Code)).Inc()
	}
}

// MeshServed notes the version served from now on.
func (m *Metrics) MeshServed(served *mesh.Mesh) {
	m.mesh.Reset()
	m.mesh.WithLabelValues(served.Name, served.SHA256()).Set(1)
}

// MeshRefused counts a mesh file that was refused.
func (m *Metrics) MeshRefused() { m.meshRefused.Inc() }

// End is why a connection did not end well.
type End string

// Ends of connections.
const (
	EndDisplaced End = "displaced"  // there was no room when others came
	EndNoRequest End = "no_request" // what came was no request
)

// Connections notes how many are open.
func (m *Metrics) Connections(open int) { m.connections.Set(float64(open)) }

// ConnectionEnded counts a connection that did not end well.
func (m *Metrics) ConnectionEnded(cause End) { m.ended.WithLabelValues(string(cause)).Inc() }

// Handshake is why a connection did not become TLS.
type Handshake string

// Reasons of handshakes that failed.
const (
	HandshakeRevoked     Handshake = "revoked"
	HandshakeCertificate Handshake = "certificate" // of another authority, ended, or not for clients
	HandshakeDisbelieved Handshake = "disbelieved" // the client sent an alert
	HandshakeVersion     Handshake = "version"     // below TLS 1.3
	HandshakeNoTLS       Handshake = "no_tls"
	HandshakeTimeout     Handshake = "timeout"
	HandshakeGone        Handshake = "gone" // the connection ended
	HandshakeOther       Handshake = "other"
)

// Handshakes lists all reasons.
func Handshakes() []Handshake {
	return []Handshake{
		HandshakeRevoked, HandshakeCertificate, HandshakeDisbelieved, HandshakeVersion,
		HandshakeNoTLS, HandshakeTimeout, HandshakeGone, HandshakeOther,
	}
}

// HandshakeFailed counts a connection that did not become TLS.
func (m *Metrics) HandshakeFailed(reason Handshake) {
	m.handshakes.WithLabelValues(string(reason)).Inc()
}

// TLSLoaded notes when what a TLS listener lives on ends; a zero moment is of
// nothing that there is.
func (m *Metrics) TLSLoaded(certificate, authority, crl time.Time, revoked int) {
	m.tlsEnds.Reset()
	for what, at := range map[string]time.Time{"certificate": certificate, "authority": authority, "crl": crl} {
		if !at.IsZero() {
			m.tlsEnds.WithLabelValues(what).Set(float64(at.Unix()))
		}
	}
	m.tlsRevoked.WithLabelValues().Set(float64(revoked))
}

// TLSRefused counts a look that found the TLS files wrong.
func (m *Metrics) TLSRefused() { m.tlsRefused.Inc() }

// Observe wraps a store so that the calls that a collector makes are timed and
// their errors counted.
func (m *Metrics) Observe(s store.Store) store.Store { return &observed{s, m} }

type observed struct {
	store.Store
	metrics *Metrics
}

func (o *observed) Put(ctx context.Context, a store.Admission) error {
	return o.metrics.call("put", func() error { return o.Store.Put(ctx, a) })
}

func (o *observed) PutMesh(ctx context.Context, m store.MeshVersion) error {
	return o.metrics.call("put_mesh", func() error { return o.Store.PutMesh(ctx, m) })
}

func (o *observed) Meshes(ctx context.Context) (versions []store.MeshVersion, err error) {
	err = o.metrics.call("meshes", func() error {
		versions, err = o.Store.Meshes(ctx)
		return err
	})
	return versions, err
}

func (o *observed) PutSigningKey(ctx context.Context, k store.SigningKey) error {
	return o.metrics.call("put_signing_key", func() error { return o.Store.PutSigningKey(ctx, k) })
}

func (o *observed) SigningKeys(ctx context.Context) (keys []store.SigningKey, err error) {
	err = o.metrics.call("signing_keys", func() error {
		keys, err = o.Store.SigningKeys(ctx)
		return err
	})
	return keys, err
}

func (o *observed) Ready(ctx context.Context) error {
	return o.metrics.call("ready", func() error { return o.Store.Ready(ctx) })
}

func (m *Metrics) call(operation string, f func() error) error {
	begin := time.Now()
	err := f()
	m.storeTime.WithLabelValues(operation).Observe(time.Since(begin).Seconds())
	if err != nil {
		kind := "retryable"
		if errors.Is(err, store.ErrPermanent) {
			kind = "permanent"
		}
		m.storeErrors.WithLabelValues(operation, kind).Inc()
	}
	return err
}
