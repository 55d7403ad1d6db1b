package api

import (
	"bytes"
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options are how a Client asks.
type Options struct {
	Token      string       // says who asks; empty where the server has no list of readers
	HTTPClient *http.Client // nil: http.DefaultClient; no redirect is followed
	UserAgent  string       // begins the header; empty: of this package alone
	// PlainHTTP lets a token go to another machine without TLS, where everybody
	// on the way can read it.
	PlainHTTP  bool
	MaxBytes   int64 // of an answer that is not streamed; 0: 64 MiB
	CacheBytes int64 // of answers that are kept to be asked for by their ETag; 0: 16 MiB, less than 0: none
}

// Defaults of Options.
const (
	defaultMaxBytes   = 64 << 20
	defaultCacheBytes = 16 << 20
)

// Client asks a fibergauge-analyzer serve. It is safe for use by several
// goroutines.
type Client struct {
	base  *url.URL
	o     Options
	cache *cache
}

// ErrInClear is why a token does not go to another machine without TLS.
var ErrInClear = errors.New("everybody on the way could read the token; use https")

// NewClient makes a client of the server at an address such as
// https://analyzer.example:8470.
func NewClient(baseURL string, o Options) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("address of the analyzer: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return nil, fmt.Errorf("address of the analyzer: %.80q is not one such as https://analyzer.example:8470", baseURL)
	}
	if o.Token != "" && base.Scheme == "http" && !loopback(base.Hostname()) && !o.PlainHTTP {
		return nil, fmt.Errorf("address of the analyzer: by %s %w", base.Redacted(), ErrInClear)
	}
	if strings.ContainsAny(o.Token+o.UserAgent, "\r\n") {
		return nil, errors.New("a token or user agent has no line breaks")
	}
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	// The analyzer redirects nobody. Who else does could have the token sent to the
	// same host in clear, which package net/http allows.
	direct := *o.HTTPClient
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	o.HTTPClient = &direct
	o.UserAgent = strings.TrimSpace(o.UserAgent + " fibergauge-api/" + version())
	base.Path = strings.TrimSuffix(base.Path, "/")
	return &Client{base, o, &cache{max: o.CacheBytes, at: map[string]*list.Element{}}}, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// version is that of the module, as the program that uses it was built with it.
func version() string {
	const module = "github.com/fibergauge/fibergauge"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module && m.Version != "" {
				return strings.Trim(m.Version, "()")
			}
		}
	}
	return "devel"
}

// Error is an answer that is neither 200 nor 304.
type Error struct {
	Problem
	RetryAfter time.Duration // 0: not said
	// Stranger says that the answer describes no problem, so that it is hardly of
	// an analyzer.
	Stranger bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("the analyzer answers %d %s: %s", e.Status, e.Title, e.Detail)
}

// Temporary tells whether the same request may be answered later.
func (e *Error) Temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// PeriodQuery is a period as it is asked for: Name, such as 2025-06, or From and To.
type PeriodQuery struct {
	Name     string
	From, To time.Time
}

func (p PeriodQuery) into(q url.Values) {
	set(q, "period", p.Name)
	if !p.From.IsZero() {
		q.Set("from", p.From.Format(time.RFC3339Nano))
	}
	if !p.To.IsZero() {
		q.Set("to", p.To.Format(time.RFC3339Nano))
	}
}

// ReportQuery asks for a report.
type ReportQuery struct {
	Period        PeriodQuery
	Trend, Beside bool
}

// PairsQuery asks for pairs of a month; what is empty leaves none out.
type PairsQuery struct {
	Month                        string // 2025-06
	Plane, Carrier, Hub, Cluster string
	Verdict                      Verdict
	// Links asks for every pair of sites instead of the best carrier on each plane.
	Links  bool
	Limit  int    // 0: as many as the server likes
	Cursor string // of the answer before
}

// SeriesQuery asks for what ends of links measured. An end is asked for if every
// list that is not empty has something that fits it; without any, all are.
type SeriesQuery struct {
	Ends     [][2]string // from site, to site
	Pairs    [][2]string // clusters, in any order
	Hubs     []string    // of either cluster
	Clusters []string    // either of the two
	Carriers []string
	Planes   []string
	Test     string // empty: the one that is judged
	Period   PeriodQuery
	Step     string // window, hour or day; empty: what suits the time

	MaxPoints int // of an end; 0: as many as the server likes
	Buckets   int // of a heatmap; 0: as many as the server likes

	Kinds []string // of annotations; none: all
}

// ProbesQuery asks how probes do; what is empty leaves none out.
type ProbesQuery struct {
	Sites, Hubs, Clusters, Carriers, Planes []string
	Period                                  PeriodQuery
	MaxPoints                               int // of a probe; 0: as many as the server likes
}

// WindowsQuery asks for windows; what is empty leaves none out.
type WindowsQuery struct {
	Period                         PeriodQuery
	Test, Src, Dst, Carrier, Plane string
	Samples                        bool   // a row each packet
	Format                         string // csv or parquet; empty: csv
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setInt(q url.Values, name string, value int) {
	if value != 0 {
		q.Set(name, strconv.Itoa(value))
	}
}

func setBool(q url.Values, name string, value bool) {
	if value {
		q.Set(name, "1")
	}
}

// Report gives the report of a period, or the excerpt of it that the token
// allows.
func (c *Client) Report(ctx context.Context, ask ReportQuery) (*Report, error) {
	q := url.Values{}
	ask.Period.into(q)
	setBool(q, "trend", ask.Trend)
	setBool(q, "beside", ask.Beside)
	return get[Report](ctx, c, "/api/v1/report", q)
}

// File streams the report of a month in a form: json, csv, xlsx, html or pdf.
// language is en or zh, and empty for json. The caller closes it.
func (c *Client) File(ctx context.Context, month, form, language string) (io.ReadCloser, error) {
	q := url.Values{}
	set(q, "lang", language)
	return c.stream(ctx, "/api/v1/months/"+url.PathEscape(month)+"/report."+url.PathEscape(form), q)
}

// Months lists at most limit months of which there is data, newest first, those
// before one if it is not empty. 0 is as many as the server likes.
func (c *Client) Months(ctx context.Context, limit int, before string) (*Months, error) {
	q := url.Values{}
	setInt(q, "limit", limit)
	set(q, "before", before)
	return get[Months](ctx, c, "/api/v1/months", q)
}

// Month is the headline of a month.
func (c *Client) Month(ctx context.Context, month string) (*MonthSummary, error) {
	return get[MonthSummary](ctx, c, "/api/v1/months/"+url.PathEscape(month), nil)
}

// Pairs lists pairs of a month.
func (c *Client) Pairs(ctx context.Context, ask PairsQuery) (*Pairs, error) {
	q := url.Values{}
	set(q, "plane", ask.Plane)
	set(q, "carrier", ask.Carrier)
	set(q, "hub", ask.Hub)
	set(q, "cluster", ask.Cluster)
	set(q, "verdict", string(ask.Verdict))
	setBool(q, "links", ask.Links)
	setInt(q, "limit", ask.Limit)
	set(q, "cursor", ask.Cursor)
	return get[Pairs](ctx, c, "/api/v1/months/"+url.PathEscape(ask.Month)+"/pairs", q)
}

// Pair is all of a month that is of two clusters.
func (c *Client) Pair(ctx context.Context, month, a, b string) (*Pairs, error) {
	return get[Pairs](ctx, c, "/api/v1/months/"+url.PathEscape(month)+"/pairs/"+url.PathEscape(a)+"/"+url.PathEscape(b), nil)
}

// Series gives what links measured over a time, in steps.
func (c *Client) Series(ctx context.Context, ask SeriesQuery) (*Series, error) {
	return get[Series](ctx, c, "/api/v1/series", ask.Values())
}

// Values are the parameters of the request.
func (ask SeriesQuery) Values() url.Values {
	q := url.Values{"hub": ask.Hubs, "cluster": ask.Clusters, "carrier": ask.Carriers, "plane": ask.Planes}
	for _, end := range ask.Ends {
		q.Add("end", end[0]+">"+end[1])
	}
	for _, pair := range ask.Pairs {
		q.Add("pair", pair[0]+"/"+pair[1])
	}
	ask.Period.into(q)
	set(q, "test", ask.Test)
	set(q, "step", ask.Step)
	setInt(q, "max_points", ask.MaxPoints)
	setInt(q, "buckets", ask.Buckets)
	return q
}

// Heatmap counts packets by when they were sent and how long they took.
func (c *Client) Heatmap(ctx context.Context, ask SeriesQuery) (*Heatmap, error) {
	return get[Heatmap](ctx, c, "/api/v1/heatmap", ask.Values())
}

// Annotations gives what happened on links over a time; Step, MaxPoints and
// Buckets of the query do not matter.
func (c *Client) Annotations(ctx context.Context, ask SeriesQuery) (*Annotations, error) {
	ask.Step, ask.MaxPoints, ask.Buckets = "", 0, 0
	q := ask.Values()
	q["kind"] = ask.Kinds
	return get[Annotations](ctx, c, "/api/v1/annotations", q)
}

// Probes tells how probes do.
func (c *Client) Probes(ctx context.Context, ask ProbesQuery) (*Probes, error) {
	return get[Probes](ctx, c, "/api/v1/probes", ask.Values())
}

// Values are the parameters of the request.
func (ask ProbesQuery) Values() url.Values {
	q := url.Values{"site": ask.Sites, "hub": ask.Hubs, "cluster": ask.Clusters, "carrier": ask.Carriers, "plane": ask.Planes}
	ask.Period.into(q)
	setInt(q, "max_points", ask.MaxPoints)
	return q
}

// Windows streams windows. An error that a read gives says that they are not all
// there. The caller closes it.
func (c *Client) Windows(ctx context.Context, ask WindowsQuery) (io.ReadCloser, error) {
	q := url.Values{}
	ask.Period.into(q)
	for name, value := range map[string]string{
		"test": ask.Test, "src": ask.Src, "dst": ask.Dst, "carrier": ask.Carrier, "plane": ask.Plane, "format": ask.Format,
	} {
		set(q, name, value)
	}
	setBool(q, "samples", ask.Samples)
	return c.stream(ctx, "/api/v1/windows", q)
}

// Network is what is measured now.
func (c *Client) Network(ctx context.Context) (*Network, error) {
	return get[Network](ctx, c, "/api/v1/network", nil)
}

// Status is how the server stands.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "/api/v1/status", nil)
}

// Readers are who may ask; for administrators.
func (c *Client) Readers(ctx context.Context) (*Readers, error) {
	return get[Readers](ctx, c, "/api/v1/readers", nil)
}

// ask sends a request and gives the answer if it is 200, or 304 where a tag was
// sent. The caller closes its body.
func (c *Client) ask(ctx context.Context, path string, q url.Values, tag string) (*http.Response, error) {
	// The parts of the path are escaped already.
	at := c.base.String() + path
	if len(q) > 0 {
		at += "?" + q.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", c.o.UserAgent)
	if c.o.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	if tag != "" {
		request.Header.Set("If-None-Match", tag)
	}
	response, err := c.o.HTTPClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the analyzer: %w", err)
	}
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNotModified && tag != "" {
		return response, nil
	}
	defer response.Body.Close()
	return nil, failure(response)
}

// maxProblem bounds the body of a problem.
const maxProblem = 64 << 10

// failure is the problem of an answer, or says what came instead of one.
func failure(r *http.Response) error {
	e := &Error{}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxProblem))
	if err != nil || json.Unmarshal(body, &e.Problem) != nil || e.Detail == "" {
		e.Stranger, e.Problem = true, Problem{Type: "about:blank", Title: http.StatusText(r.StatusCode), Detail: "no problem is described; is it a fibergauge-analyzer that answers there?"}
	}
	e.Status = r.StatusCode
	if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

func (c *Client) stream(ctx context.Context, path string, q url.Values) (io.ReadCloser, error) {
	response, err := c.ask(ctx, path, q, "")
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// get gives an answer as JSON. One that is kept is asked for by its tag.
func get[T any](ctx context.Context, c *Client, path string, q url.Values) (*T, error) {
	key := path + "?" + q.Encode()
	tag, body := c.cache.get(key)
	response, err := c.ask(ctx, path, q, tag)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		if body, err = io.ReadAll(io.LimitReader(response.Body, c.o.MaxBytes+1)); err != nil {
			return nil, fmt.Errorf("read the answer of the analyzer: %w", err)
		}
		if int64(len(body)) > c.o.MaxBytes {
			return nil, fmt.Errorf("the answer of the analyzer has more than %d bytes; ask for less, or allow more", c.o.MaxBytes)
		}
		c.cache.put(key, response.Header.Get("ETag"), body)
	}
	var out T
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("read the answer of the analyzer: %w; is it a fibergauge-analyzer that answers there?", err)
	}
	return &out, nil
}

// cache keeps answers, within a bound; the ones not asked for the longest go
// first.
type cache struct {
	max int64

	mu    sync.Mutex // protects all following fields
	bytes int64
	order list.List // of *answer, the one used last in front
	at    map[string]*list.Element
}

type answer struct {
	key, tag string
	body     []byte
}

func (c *cache) get(key string) (tag string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.at[key]
	if e == nil {
		return "", nil
	}
	c.order.MoveToFront(e)
	a := e.Value.(*answer)
	return a.tag, a.body
}

func (c *cache) put(key, tag string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.at[key]; e != nil {
		c.drop(e)
	}
	if tag == "" || int64(len(body)) > c.max {
		return
	}
	c.at[key] = c.order.PushFront(&answer{key, tag, body})
	for c.bytes += int64(len(body)); c.bytes > c.max; {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	a := c.order.Remove(e).(*answer)
	delete(c.at, a.key)
	c.bytes -= int64(len(a.body))
}
