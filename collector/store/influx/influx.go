// Package influx keeps windows in InfluxDB 2.x, or in 1.8 through its
// compatibility API: the store of production, which Grafana reads too.
//
// InfluxDB overwrites: a point with the measurement, tags and time of another
// takes its place. So the six digits of a point's time below the millisecond
// are a keyed hash of its content. Equal content meets itself, different
// content stands beside it, and nothing has to be read before writing. Among
// 10⁶ places two different windows under one key meet once in a million
// conflicts; without the key nobody can aim at that.
//
// Everything that is read back stands in one string field of its point, as
// JSON: a document. The other fields repeat it for people. A reader therefore
// moves one row a window, needs no pivot, and never sees half a point.
//
//	rtt          one point a window                document "window"
//	admitted     one point a window and admission  document "admission"
//	journal      one point an admission            document "entry"
//	mesh         one point a mesh version          document "archive"
//	signing_key  one point a putting of a key      document "signing_key"
package influx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"

	"github.com/fibergauge/fibergauge/collector/store"
)

// Reader reads windows from one bucket, with a token that may read it and
// without the collectors' secret. It implements store.Reader.
type Reader struct {
	config    *config
	transport *http.Transport
	client    influxdb2.Client
}

// Store keeps windows in one bucket. It implements store.Store.
type Store struct {
	*Reader
	writer api.WriteAPIBlocking
}

var (
	_ store.Reader = (*Reader)(nil)
	_ store.Store  = (*Store)(nil)
)

// Open reads the configuration file, in which the collectors' secret must
// stand. It does not ask the server, so that a collector can start while its
// store is away.
func Open(file string, log *slog.Logger) (*Store, error) {
	c, err := readConfig(file, writing)
	if err != nil {
		return nil, err
	}
	r := connect(c, log)
	return &Store{r, r.client.WriteAPIBlocking(c.Org, c.Bucket)}, nil
}

// OpenReader reads the configuration file. It does not ask the server.
func OpenReader(file string, log *slog.Logger) (*Reader, error) {
	c, err := readConfig(file, reading)
	if err != nil {
		return nil, err
	}
	return connect(c, log), nil
}

func connect(c *config, log *slog.Logger) *Reader {
	if u, err := url.Parse(c.URL); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		log.Warn("the token for InfluxDB goes over the network in clear; use https", "url", c.URL)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	options := influxdb2.DefaultOptions().
		// No timeout of the HTTP client, because it would cover the body of a
		// long answer; each request has a context with one instead.
		SetHTTPClient(&http.Client{Transport: genuine{transport}, CheckRedirect: stay}).
		SetUseGZip(true).
		SetApplicationName("fibergauge")
	return &Reader{c, transport, influxdb2.NewClientWithOptions(c.URL, c.Token, options)}
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || len(host) > 4 && host[:4] == "127."
}

// Ready asks the server for what cannot be there: it answers only if it knows
// token and bucket, which it does not need for a ping.
func (s *Reader) Ready(ctx context.Context) error {
	_, err := s.small(ctx, selection{measurement: "mesh", small: "served_from_ms"}.between(0, 1))
	return s.explain(ctx, "ready", err, reading)
}

// Close lets go of the connections.
func (s *Reader) Close() error {
	s.client.Close()
	s.transport.CloseIdleConnections()
	return nil
}

// purpose of a request, because the same status means different things; and of
// a handle.
type purpose int

const (
	reading purpose = iota
	writing
)

const checkNames = "check url, org and bucket"

// explain turns an error of the client into the contract's terms. ctx is the
// caller's, without the timeout that the store added.
func (s *Reader) explain(ctx context.Context, operation string, err error, why purpose) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("influx %s: %w", operation, ctx.Err())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("influx %s: no answer from %s within %s; try again", operation, s.config.URL, s.config.timeout)
	}
	e, ok := errors.AsType[*influxhttp.Error](err)
	if !ok {
		return fmt.Errorf("influx %s: %w", operation, err)
	}
	advice := "try again"
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		if e.StatusCode != http.StatusRequestEntityTooLarge && !byInflux(e.Header) {
			advice = "this is not InfluxDB's answer: check url, and proxies on the way"
			break
		}
		if strings.Contains(e.Error(), "limit exceeded") {
			// InfluxDB 1.8 has no room for another series, of whomever the
			// others are; the data is as good as any.
			advice = "raise max-series-per-database or max-values-per-tag in the server's configuration"
			break
		}
		if why == writing {
			// The server read the points and refuses them: a field of another
			// type, a time beyond the bucket's retention, a body too large.
			return fmt.Errorf("influx %s: %w: %w", operation, store.ErrPermanent, err)
		}
		advice = "see the server's log"
		if strings.Contains(e.Error(), "organization name") { // of 2.x, not found
			advice = checkNames
		}
	// Faults of who operates the server, not of the data: once mended, the same
	// call succeeds, so the windows must wait for that.
	case http.StatusUnauthorized, http.StatusForbidden:
		advice = "check token, its permissions, and flux-enabled on InfluxDB 1.8"
	case http.StatusNotFound:
		advice = checkNames
	case http.StatusInternalServerError:
		if strings.HasSuffix(e.Error(), "no database") { // so 1.8 answers a query
			advice = checkNames
		}
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		advice = "redirections are not followed: give the url to which this one leads"
	}
	return fmt.Errorf("influx %s at %s: %w; %s", operation, s.config.URL, err, advice)
}

// Places in time are nanoseconds since 1970 throughout this package.
const (
	nsPerMS = int64(time.Millisecond)
	endMS   = 7_258_118_400_001 // after the last start that wire.Window.Check allows
	endNS   = endMS * nsPerMS
)
