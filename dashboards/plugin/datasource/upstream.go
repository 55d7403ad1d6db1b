package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Bounds on how the analyzer is asked.
const (
	// atOnce is as many answers as the analyzer reads for one reader at a time,
	// and all who look at Grafana are one to it.
	atOnce = 2
	// freshFor is how long an answer serves everybody who asks the same: fifty
	// who refresh every ten seconds ask the analyzer as often as one does.
	freshFor = 10 * time.Second
	kept     = 256 // answers
	patience = 30 * time.Second
	tries    = 4 // of a request that the analyzer is too busy for
)

// upstream asks the analyzer.
type upstream struct {
	broken  error // the settings cannot work
	client  *api.Client
	http    *http.Client
	url     string
	timeout time.Duration
	turns   chan struct{}

	mu      sync.Mutex // protects all following fields
	answers map[string]answer
	flights map[string]*flight // by what is asked
}

// answer is one that is kept for a while.
type answer struct {
	value any
	until time.Time
}

// settings are those that Grafana keeps, besides the standard ones of TLS.
type settings struct {
	Timeout   json.Number `json:"timeout"` // seconds
	PlainHTTP bool        `json:"plainHTTP"`
}

func newUpstream(instance backend.DataSourceInstanceSettings) (*upstream, error) {
	var own settings
	if len(instance.JSONData) > 0 {
		if err := json.Unmarshal(instance.JSONData, &own); err != nil {
			return nil, fmt.Errorf("the settings of the data source cannot be read: %w", err)
		}
	}
	if instance.URL == "" {
		return nil, errors.New("the data source has no URL: enter that of fibergauge-analyzer serve, such as https://analyzer.example:8470")
	}
	timeout := patience
	if own.Timeout != "" {
		seconds, err := own.Timeout.Float64()
		if err != nil || seconds < 1 || seconds > 600 {
			return nil, fmt.Errorf("the timeout is %.40q; allowed: 1 to 600 seconds", own.Timeout)
		}
		timeout = time.Duration(seconds * float64(time.Second))
	}
	options, err := instance.HTTPClientOptions(context.Background())
	if err != nil {
		return nil, fmt.Errorf("the settings of the data source: %w", err)
	}
	options.Timeouts.Timeout = 0 // each request has its own
	client, err := httpclient.New(options)
	if err != nil {
		return nil, fmt.Errorf("the certificates in the settings cannot be used: %w; paste them as PEM, from -----BEGIN to END-----", err)
	}
	asking, err := api.NewClient(instance.URL, api.Options{
		Token: strings.TrimSpace(instance.DecryptedSecureJSONData["token"]), HTTPClient: client, UserAgent: PluginID, PlainHTTP: own.PlainHTTP,
	})
	if errors.Is(err, api.ErrInClear) {
		return nil, fmt.Errorf("%w; or allow it in the settings, as Token over plain HTTP", err)
	}
	if err != nil {
		return nil, err
	}
	return &upstream{
		client: asking, http: client, url: instance.URL, timeout: timeout,
		turns: make(chan struct{}, atOnce), answers: map[string]answer{}, flights: map[string]*flight{},
	}, nil
}

func (u *upstream) close() {
	if u.http != nil {
		u.http.CloseIdleConnections()
	}
}

// flight is an answer that is on its way, for whoever waits for it.
type flight struct {
	done    chan struct{} // closed when value and err are set
	value   any
	err     error
	waiting int // protected by upstream.mu, as is what follows
	cancel  context.CancelFunc
}

// ask gives what do finds out, or what it found out a moment ago, or is about to
// find out for somebody else who asked the same. The key says what is asked.
// Nobody may change what they get.
func ask[T any](ctx context.Context, u *upstream, key string, do func(context.Context, *api.Client) (*T, error)) (*T, error) {
	if u.broken != nil {
		return nil, u.broken
	}
	f, value := u.join(ctx, key, func(ctx context.Context) (any, error) { return inTurn(ctx, u, do) })
	if f == nil {
		return value.(*T), nil
	}
	select {
	case <-ctx.Done():
		u.leave(key, f)
		return nil, ctx.Err()
	case <-f.done:
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.value.(*T), nil
}

// join gives what is kept, or who finds it out.
func (u *upstream) join(ctx context.Context, key string, do func(context.Context) (any, error)) (*flight, any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if a, ok := u.answers[key]; ok && time.Now().Before(a.until) {
		return nil, a.value
	}
	f := u.flights[key]
	if f == nil {
		// Whoever asked first may go; the others still want it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.timeout)
		f = &flight{done: make(chan struct{}), cancel: cancel}
		u.flights[key] = f
		go u.fly(ctx, key, f, do)
	}
	f.waiting++
	return f, nil
}

// leave ends what nobody waits for any more: who scrolls through times would else
// have those wait that come after.
func (u *upstream) leave(key string, f *flight) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return
	}
	f.cancel()
	if u.flights[key] == f {
		delete(u.flights, key)
	}
}

func (u *upstream) fly(ctx context.Context, key string, f *flight, do func(context.Context) (any, error)) {
	defer f.cancel()
	defer close(f.done)
	value, err := guarded(ctx, do)
	u.mu.Lock()
	defer u.mu.Unlock()
	if f.value, f.err = value, err; err == nil {
		u.remember(key, value)
	}
	if u.flights[key] == f {
		delete(u.flights, key)
	}
}

// guarded keeps a mistake of ours in one query: Grafana would else lose the plugin.
func guarded(ctx context.Context, do func(context.Context) (any, error)) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the plugin failed, which is a mistake in it: please report it: %v", r)
		}
	}()
	return do(ctx)
}

// inTurn asks when it is its turn, and again if the analyzer is too busy.
func inTurn[T any](ctx context.Context, u *upstream, do func(context.Context, *api.Client) (*T, error)) (*T, error) {
	select {
	case u.turns <- struct{}{}:
		defer func() { <-u.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for try := 1; ; try++ {
		value, err := do(ctx, u.client)
		var refused *api.Error
		if err == nil || !errors.As(err, &refused) || !refused.Temporary() || try == tries {
			return value, err
		}
		wait := time.NewTimer(max(refused.RetryAfter, 200*time.Millisecond))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, err
		}
	}
}

// remember keeps an answer while it is fresh, and no longer: it may be large. The
// caller has the lock.
func (u *upstream) remember(key string, value any) {
	if len(u.answers) >= kept {
		return
	}
	until := time.Now().Add(freshFor)
	u.answers[key] = answer{value, until}
	time.AfterFunc(freshFor, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.answers[key].until.Equal(until) {
			delete(u.answers, key)
		}
	})
}
