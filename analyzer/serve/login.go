package serve

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/portal"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

const (
	loginPath    = portal.LoginPath
	logoutPath   = "/logout"
	maxFormBytes = 8 << 10
)

// login shows the form, and takes it.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	if s.Readers == nil || s.session(r) != nil {
		http.Redirect(w, r, next(r.URL.Query().Get("next")), http.StatusSeeOther)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.loginForm(w, r, http.StatusOK, r.URL.Query().Get("next"), "")
	case http.MethodPost:
		s.takeLogin(w, r)
	default:
		s.notAllowed(w, r, "GET, HEAD, POST")
	}
}

// loginForm shows the form. Its seal is of a cookie that goes with it.
func (s *site) loginForm(w http.ResponseWriter, r *http.Request, status int, to, refused string) {
	secret := cookie(r, formCookie)
	if len(secret) != len(newSecret()) {
		secret = newSecret()
		setCookie(w, r, formCookie, secret, 0)
	}
	f := s.frame(w, r, nil)
	page, err := portal.Login(f.Language, next(to), s.forms.seal(secret), refused)
	s.show(w, r, f, status, page, err)
}

func (s *site) takeLogin(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	lang := s.language(w, r)
	if s.cross.Check(r) != nil || r.ParseForm() != nil || !s.forms.good(cookie(r, formCookie), r.PostForm.Get("seal")) {
		s.loginForm(w, r, http.StatusForbidden, r.PostForm.Get("next"), wording.Word(lang, wording.SignFormRefused))
		return
	}
	now := time.Now()
	reader, err := s.Readers().Find(strings.TrimSpace(r.PostForm.Get("token")), now)
	if err != nil {
		s.refuseLogin(w, r, lang, err)
		return
	}
	// A new secret each time: nobody can have put it there before.
	setCookie(w, r, sessionCookie, s.sessions.begin(reader, now), 0)
	setCookie(w, r, formCookie, "", -time.Second)
	s.Log.Info("a reader logged in", "reader", reader.Name, "role", reader.Role)
	http.Redirect(w, r, next(r.PostForm.Get("next")), http.StatusSeeOther)
}

// refuseLogin counts a failed login as any other try.
func (s *site) refuseLogin(w http.ResponseWriter, r *http.Request, lang wording.Language, err error) {
	kind := tryMalformed
	var expired *readers.ExpiredError
	switch {
	case errors.Is(err, readers.ErrUnknown):
		kind = tryUnknown
	case errors.As(err, &expired):
		kind = tryExpired
	}
	s.Metrics.failed.WithLabelValues(kind).Inc()
	status, sign := http.StatusUnauthorized, wording.SignTokenRefused
	address := addressOf(r.RemoteAddr)
	if wait := s.door.tries.failed(address, s.door.now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		status, sign = http.StatusTooManyRequests, wording.SignTooManyTries
	} else {
		s.door.log.warn("a login was refused", "address", address, "token", kind)
	}
	s.loginForm(w, r, status, r.PostForm.Get("next"), wording.Word(lang, sign))
}

// logout ends the session that the form was sealed for.
func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.notAllowed(w, r, "POST")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	secret := cookie(r, sessionCookie)
	if s.cross.Check(r) != nil || r.ParseForm() != nil || !s.forms.good(secret, r.PostForm.Get("seal")) {
		s.refusal(w, r, s.session(r), http.StatusForbidden, wording.Word(wording.EN, wording.SignFormRefused))
		return
	}
	s.sessions.end(secret)
	setCookie(w, r, sessionCookie, "", -time.Second)
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}

// session is the reader whose session a request has; nil without one.
func (s *site) session(r *http.Request) *readers.Reader {
	secret := cookie(r, sessionCookie)
	if secret == "" || s.Readers == nil {
		return nil
	}
	return s.sessions.reader(secret, time.Now())
}

// next is where to go after the login: a page of this site, whatever a link
// from elsewhere asks for.
func next(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") || u.Path == loginPath || u.Path == logoutPath {
		return portal.HomePath
	}
	local := url.URL{Path: u.Path, RawQuery: u.RawQuery}
	return local.String()
}
