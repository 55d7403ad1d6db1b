package serve

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fibergauge/fibergauge/analyzer/readers"
)

// access decides who asks. Without a list of readers everybody does who can
// connect, which is then this machine only.
type access struct {
	list    func() *readers.List                // nil: nobody has to say who they are
	session func(*http.Request) *readers.Reader // knows those who bring no token; nil: nobody does
	now     func() time.Time
	tries   *tries
	metrics *Metrics
	log     *quiet
}

// Kinds of failed tries, as the counter has them.
const (
	tryMissing   = "missing"
	tryMalformed = "malformed"
	tryUnknown   = "unknown"
	tryExpired   = "expired"
)

// identify finds the reader, or refuses the request and gives nil.
func (a *access) identify(w http.ResponseWriter, r *http.Request) *readers.Reader {
	if a.list == nil {
		return &readers.Reader{Role: readers.Admin}
	}
	token, err := bearer(r.Header)
	if errors.Is(err, errMissing) && a.session != nil {
		if reader := a.session(r); reader != nil {
			return reader
		}
	}
	var reader *readers.Reader
	if err == nil {
		reader, err = a.list().Find(token, a.now())
	}
	if err == nil {
		return reader
	}
	kind, challenge := tryMalformed, `Bearer realm="fibergauge", error="invalid_token"`
	var expired *readers.ExpiredError
	switch {
	case errors.Is(err, errMissing):
		kind, challenge = tryMissing, `Bearer realm="fibergauge"`
	case errors.Is(err, readers.ErrUnknown):
		kind = tryUnknown
	case errors.As(err, &expired):
		kind = tryExpired
	}
	a.metrics.failed.WithLabelValues(kind).Inc()
	// A stranger is not to hold a connection after the answer.
	w.Header().Set("Connection", "close")
	address := addressOf(r.RemoteAddr)
	if wait := a.tries.failed(address, a.now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		problem(w, http.StatusTooManyRequests, "too many tries from this address without a good token; wait, and give a good one")
		return nil
	}
	a.log.warn("a request was refused", "address", address, "token", kind)
	w.Header().Set("WWW-Authenticate", challenge)
	problem(w, http.StatusUnauthorized, err.Error())
	return nil
}

// permit lets some roles through; the rest gets 403.
func (a *access) permit(w http.ResponseWriter, reader *readers.Reader, r *http.Request, roles ...readers.Role) bool {
	if slices.Contains(roles, reader.Role) {
		return true
	}
	problem(w, http.StatusForbidden, fmt.Sprintf("role %s may not read %s", reader.Role, r.URL.Path))
	return false
}

var (
	errMissing   = errors.New("say who you are: send the header Authorization: Bearer and the token that you were given")
	errMalformed = errors.New("the header Authorization is not the word Bearer, a space and a token")
)

// bearer takes the token out of a request (RFC 6750, section 2.1). In a query
// or a body it does not count: those end up in logs and histories.
func bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return "", errMissing
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errMalformed
	}
	return token, nil
}

// addressOf is whom a connection counts for: an IPv4 address, or the /64 that
// one subscriber of IPv6 has. Loopback stays as it is.
func addressOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() && !addr.IsLoopback() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // these bits exist in every address
	}
	return prefix
}

// Failed tries that an address has at once and in a second, and addresses that
// are remembered.
const (
	triesAtOnce   = 10
	triesASecond  = 0.2
	triesRemember = 4096
	triesSweep    = 10 * time.Second // between two looks through all addresses, which take a millisecond
)

// tries bounds failed tries. Good tokens always pass, also from an address that
// has none left: nobody guesses 256 bits, and behind one address there may be
// many.
type tries struct {
	mu    sync.Mutex // protects all following fields
	of    map[netip.Prefix]*rate.Limiter
	rest  *rate.Limiter // of addresses for which there is no room
	swept time.Time
}

func newTries() *tries {
	return &tries{of: map[netip.Prefix]*rate.Limiter{}, rest: rate.NewLimiter(triesASecond, triesAtOnce)}
}

// failed notes a try and gives how long to wait if it was one too many.
func (t *tries) failed(address netip.Prefix, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter := t.of[address]
	if limiter == nil {
		if len(t.of) >= triesRemember && now.Sub(t.swept) >= triesSweep {
			t.forget(now)
		}
		if limiter = t.rest; len(t.of) < triesRemember {
			limiter = rate.NewLimiter(triesASecond, triesAtOnce)
			t.of[address] = limiter
		}
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - limiter.TokensAt(now)) / triesASecond * float64(time.Second))
}

// forget drops addresses that have all their tries again.
func (t *tries) forget(now time.Time) {
	t.swept = now
	for address, limiter := range t.of {
		if limiter.TokensAt(now) >= triesAtOnce {
			delete(t.of, address)
		}
	}
}
