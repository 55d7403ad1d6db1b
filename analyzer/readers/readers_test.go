package readers

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var begin = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// add adds a reader to a list and gives both back.
func add(t *testing.T, l *List, r Reader) (*List, string) {
	t.Helper()
	r.Created = begin
	l, token, err := l.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return l, token
}

func TestFind(t *testing.T) {
	l, miit := add(t, newList(nil), Reader{Name: "miit", Role: Regulator})
	l, press := add(t, l, Reader{Name: "press", Role: Viewer, Expires: begin.Add(time.Hour)})
	l, one := add(t, l, Reader{Name: "one", Role: Carrier, Carriers: []string{"one"}})
	for name, token := range map[string]string{"miit": miit, "press": press, "one": one} {
		if !strings.HasPrefix(token, "fgr1.") || len(token) != 48 {
			t.Errorf("token of %s has another form: %d characters", name, len(token))
		}
		r, err := l.Find(token, begin)
		if err != nil || r.Name != name {
			t.Errorf("%s: found %+v, %v", name, r, err)
		}
	}

	_, err := l.Find(press, begin.Add(time.Hour))
	var expired *ExpiredError
	if !errors.As(err, &expired) || err.Error() != "this token expired on 2026-11-23; ask the administrator for another" {
		t.Errorf("at its end: %v", err)
	}
	if _, err := l.Find(press, begin.Add(time.Hour-1)); err != nil {
		t.Errorf("just before its end: %v", err)
	}

	l, err = l.Revoke("press")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Find(press, begin); !errors.Is(err, ErrUnknown) {
		t.Errorf("revoked: %v", err)
	}
	if _, err := l.Find(one, begin); err != nil {
		t.Errorf("another was revoked: %v", err)
	}
	if _, err := l.Revoke("press"); err == nil || err.Error() != `there is no reader "press"; readers list shows all` {
		t.Errorf("revoked twice: %v", err)
	}
	if _, _, err := l.Add(Reader{Name: "one", Role: Viewer, Created: begin}); err == nil || !strings.HasPrefix(err.Error(), "there is a reader one already") {
		t.Errorf("added twice: %v", err)
	}
}

// What is no token is told from one that nobody has, and not repeated.
func TestFindRefusesOtherTexts(t *testing.T) {
	l, token := add(t, newList(nil), Reader{Name: "miit", Role: Regulator})
	// Another character of the alphabet: a flipped bit may leave it.
	other := []byte(token)
	if other[10] == 'A' {
		other[10] = 'B'
	} else {
		other[10] = 'A'
	}
	secret := strings.TrimPrefix(token, tokenPrefix)
	for _, c := range []struct {
		text string
		want error
	}{
		{"", errNoToken},
		{"fgr1.", errNoToken},
		{secret, errNoToken},
		{"FGR1." + secret, errNoToken},
		{"fgr2." + secret, errNoToken},
		{token + "=", errNoToken},
		{token[:47], errNoToken},
		{token[:46] + "\r\n", errNoToken},
		{token[:47] + "\n", errNoToken},
		{token[:47] + "_", errNoToken}, // bits beyond the 256
		{" " + token, errNoToken},
		{string(other), ErrUnknown},
	} {
		if _, err := l.Find(c.text, begin); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.text, err, c.want)
		}
	}
}

func TestTokensDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token, _ := newToken()
		if secret, err := base64.RawURLEncoding.DecodeString(token[5:]); err != nil || len(secret) != 32 || seen[token] {
			t.Fatalf("token %s: %v, %d bytes, seen before: %t", token, err, len(secret), seen[token])
		}
		seen[token] = true
	}
}

func TestPublicHasNoHash(t *testing.T) {
	l, _ := add(t, newList(nil), Reader{Name: "one", Role: Carrier, Carriers: []string{"one"}, Expires: begin.Add(time.Hour)})
	got := l.Public(begin.Add(2 * time.Hour))
	expires := "2026-11-23T10:00:00Z"
	if len(got.Readers) != 1 {
		t.Fatalf("%+v", got)
	}
	r := got.Readers[0]
	if diff := cmp.Diff([]any{"one", "carrier", []string{"one"}, "2026-11-23T09:00:00Z", expires, true},
		[]any{r.Name, r.Role, r.Carriers, r.Created, *r.Expires, r.Expired}); diff != "" {
		t.Error(diff)
	}
}
