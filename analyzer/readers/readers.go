// Package readers says who may ask the analyzer for reports over HTTP, and how
// much of one they see. Readers and their roles come from a file that the
// command "readers" writes and the server follows; a request brings a token,
// and what goes back is the report or an excerpt of it.
package readers

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Role says what a reader sees.
type Role string

// Roles.
const (
	Regulator Role = "regulator" // every report in full
	Carrier   Role = "carrier"   // its own links in full, else the public figures
	Viewer    Role = "viewer"    // the public figures
	Admin     Role = "admin"     // as regulator, and who the readers are and how the server fares
)

// Roles lists all of them.
func Roles() []Role { return []Role{Regulator, Carrier, Viewer, Admin} }

// Reader is somebody who may ask.
type Reader struct {
	Name     string
	Role     Role
	Carriers []string // whose links a reader of role carrier sees in full
	Created  time.Time
	Expires  time.Time // zero: never

	token digest
}

// Expired tells whether the reader's token counts no more.
func (r *Reader) Expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// List is the content of a readers file. It does not change.
type List struct {
	readers []Reader
	byToken map[digest]int
}

// newList makes a list of readers that were checked.
func newList(readers []Reader) *List {
	l := &List{readers: readers, byToken: map[digest]int{}}
	for i := range readers {
		l.byToken[readers[i].token] = i
	}
	return l
}

// Readers are all of them in the order of the file.
func (l *List) Readers() []Reader { return slices.Clone(l.readers) }

// ErrUnknown says that nobody has a token: it was never given out, or it was
// revoked.
var ErrUnknown = errors.New("no reader has this token: it was revoked or never given out; ask the administrator for one")

// ExpiredError says that a token was good once.
type ExpiredError struct{ Expires time.Time }

func (e *ExpiredError) Error() string {
	return "this token expired on " + e.Expires.UTC().Format(time.DateOnly) + "; ask the administrator for another"
}

// Find gives the reader whose token it is; else the error is ErrUnknown, an
// *ExpiredError, or says that the text is no token.
//
// The table is asked for the SHA-256 of what came in, not for what came in. How
// long it takes to find nothing may tell how a hash begins, and nobody can make
// texts whose hash begins as they like and comes nearer to a stranger's.
func (l *List) Find(token string, now time.Time) (*Reader, error) {
	sum, err := digestOf(token)
	if err != nil {
		return nil, err
	}
	i, ok := l.byToken[sum]
	if !ok {
		return nil, ErrUnknown
	}
	r := &l.readers[i]
	if r.Expired(now) {
		return nil, &ExpiredError{r.Expires}
	}
	return r, nil
}

// Add gives the list with one more reader, and its token, which is nowhere
// else.
func (l *List) Add(r Reader) (*List, string, error) {
	if slices.ContainsFunc(l.readers, func(o Reader) bool { return o.Name == r.Name }) {
		return nil, "", fmt.Errorf("there is a reader %s already; revoke it first, or choose another name", r.Name)
	}
	var token string
	token, r.token = newToken()
	if fault := r.fault(); fault.msg != "" {
		return nil, "", errors.New(fault.field + ": " + fault.msg)
	}
	if len(l.readers) >= maxReaders {
		return nil, "", fmt.Errorf("there are %d readers already, which is the most; revoke some", maxReaders)
	}
	return newList(append(slices.Clone(l.readers), r)), token, nil
}

// Revoke gives the list without a reader.
func (l *List) Revoke(name string) (*List, error) {
	left := slices.DeleteFunc(slices.Clone(l.readers), func(r Reader) bool { return r.Name == name })
	if len(left) == len(l.readers) {
		return nil, fmt.Errorf("there is no reader %.80q; readers list shows all", name)
	}
	return newList(left), nil
}

// Still gives a reader as the list has it now, who was found by a token before:
// nil if that token was revoked or has expired since.
func (l *List) Still(r *Reader, now time.Time) *Reader {
	i, ok := l.byToken[r.token]
	if !ok || l.readers[i].Expired(now) {
		return nil
	}
	return &l.readers[i]
}
