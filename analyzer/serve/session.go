package serve

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/readers"
)

// Bounds on sessions of browsers.
const (
	sessionIdle     = 30 * time.Minute // without a request
	sessionLife     = 12 * time.Hour   // in all
	maxSessions     = 10_000
	maxSessionsEach = 20 // of one reader: the one that was silent longest gives way
	secretBytes     = 32
)

// sessions are the browsers that have logged in. They are in memory only, so
// that a restart ends them, and under the SHA-256 of what the browser has, so
// that whoever reads the memory of the program cannot be one of them.
type sessions struct {
	list func() *readers.List

	mu sync.Mutex // protects all following fields
	of map[[sha256.Size]byte]*session
}

type session struct {
	reader      *readers.Reader // as of the login
	begun, seen time.Time
}

func newSessions(list func() *readers.List) *sessions {
	return &sessions{list: list, of: map[[sha256.Size]byte]*session{}}
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.seen) >= sessionIdle || now.Sub(s.begun) >= sessionLife
}

// begin makes a session and gives the secret of its cookie.
func (s *sessions) begin(reader *readers.Reader, now time.Time) (secret string) {
	secret = newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(reader, now)
	s.of[sha256.Sum256([]byte(secret))] = &session{reader, now, now}
	return secret
}

// makeRoom ends sessions that are over, and where there are too many the one of
// the reader, or of all, that was silent longest.
func (s *sessions) makeRoom(reader *readers.Reader, now time.Time) {
	own := 0
	var oldest, oldestOwn [sha256.Size]byte
	silent := func(a, b [sha256.Size]byte) bool { return s.of[b] == nil || s.of[a].seen.Before(s.of[b].seen) }
	for key, have := range s.of {
		if have.over(now) {
			delete(s.of, key)
			continue
		}
		if silent(key, oldest) {
			oldest = key
		}
		if have.reader.Name == reader.Name {
			own++
			if silent(key, oldestOwn) {
				oldestOwn = key
			}
		}
	}
	switch {
	case own >= maxSessionsEach:
		delete(s.of, oldestOwn)
	case len(s.of) >= maxSessions:
		delete(s.of, oldest)
	}
}

// reader finds whose session it is; nil if it is over, or if the reader was
// revoked or has expired. What the list says of the reader counts at once.
func (s *sessions) reader(secret string, now time.Time) *readers.Reader {
	key := sha256.Sum256([]byte(secret))
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.of[key]
	if found == nil {
		return nil
	}
	reader := s.list().Still(found.reader, now)
	if reader == nil || found.over(now) {
		delete(s.of, key)
		return nil
	}
	found.seen = now
	return reader
}

func (s *sessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, sha256.Sum256([]byte(secret)))
}

func newSecret() string {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(secret)
}

// sealer shows that a form came from a page of this server, to the browser that
// has a certain cookie.
type sealer [secretBytes]byte

func newSealer() (s sealer) {
	rand.Read(s[:])
	return s
}

func (s sealer) seal(cookie string) string {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(cookie))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s sealer) good(cookie, seal string) bool {
	return cookie != "" && hmac.Equal([]byte(s.seal(cookie)), []byte(seal))
}

// Names of cookies.
const (
	sessionCookie  = "fibergauge-session"
	formCookie     = "fibergauge-form" // of the login form
	languageCookie = "fibergauge-language"
	hostPrefix     = "__Host-" // browsers take such a cookie from this very host only, over TLS
)

// secure tells whether the browser speaks TLS with us, or with a proxy on this
// machine that says so. Whoever lies about it only spoils their own cookies.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

func cookieName(r *http.Request, name string) string {
	if secure(r) {
		return hostPrefix + name
	}
	return name
}

// cookie is the value of a cookie; empty without one.
func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(cookieName(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie keeps a value until the browser is closed, or with an age; a
// negative age takes it away.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r, name), Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: secure(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}
