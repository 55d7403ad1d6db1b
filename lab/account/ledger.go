// Package account balances the books of a run in which things went wrong: of
// every window that a probe said it made, it finds where it is. Its data comes
// from the logs of the probes, from their spools and from the store, as a run
// left them; it goes to people, and to an exit status.
//
// Balance is pure and is where the judging happens; the rest only reads.
package account

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Window is a window as the books know it.
type Window struct {
	Key    string // as wire.Key writes itself
	Digest string
}

// Life is one run of a probe's program, from its start to its end.
type Life struct {
	Session uint64   // its first; it may raise it
	Stopped bool     // it ended in good order; otherwise it was killed
	Made    []Window // said to be made, once they were on disk
	Dropped []string // keys of those said to be dropped after that
	Lost    []Window // said to be lost before: never on disk
}

// Site is what a probe leaves behind.
type Site struct {
	ID      string
	Lives   []Life   // in their order
	Spooled []Window // waiting for delivery
	Aside   []Window // set aside: no collector takes them
	Dropped int64    // counted by the spool as dropped, because it was full
}

// Stored is a window in the store.
type Stored struct {
	Window
	Conflicts int // different windows under the same key
}

// Ledger is everything that is to be balanced.
type Ledger struct {
	Sites  []Site
	Stored []Stored
}

// Row is the account of a link, or the sum of all. What counts once counts in
// the first that is true of it:
//
//	made + in hand = stored + spooled + aside + dropped + lost
type Row struct {
	Link    string `json:"link"`
	Made    int    `json:"made"`    // said to be made
	InHand  int    `json:"in_hand"` // found but never said to be made: on disk just before a kill -9, or given up at a stop just when it arrived
	Stored  int    `json:"stored"`
	Spooled int    `json:"spooled"`
	Aside   int    `json:"aside"`
	Dropped int    `json:"dropped"` // missing, and named as dropped or within what the full spool counted
	// What must not be.
	Lost     int `json:"lost"`     // missing beyond that
	Twice    int `json:"twice"`    // stored twice, or made twice
	Changed  int `json:"changed"`  // another digest, or a conflict
	Invented int `json:"invented"` // found, but no probe can have made it
}

// Good tells whether nothing is wrong.
func (r *Row) Good() bool { return r.Lost == 0 && r.Twice == 0 && r.Changed == 0 && r.Invented == 0 }

func (r *Row) add(o *Row) {
	r.Made += o.Made
	r.InHand += o.InHand
	r.Stored += o.Stored
	r.Spooled += o.Spooled
	r.Aside += o.Aside
	r.Dropped += o.Dropped
	r.Lost += o.Lost
	r.Twice += o.Twice
	r.Changed += o.Changed
	r.Invented += o.Invented
}

// Account is the result.
type Account struct {
	Links    []Row    `json:"links"` // by name
	Total    Row      `json:"total"`
	Findings []string `json:"findings"` // each thing that is wrong, at most MaxFindings
}

// MaxFindings bounds the list of findings; the counts are always complete.
const MaxFindings = 200

// MostInHand is how many windows a kill -9 may catch between the disk and the
// log: those that a probe puts at once.
const MostInHand = 250

// key is what the books need of a window's key.
type key struct {
	link, src string
	session   uint64
	start     string
}

func parseKey(text string) (key, error) {
	link, rest, ok1 := strings.Cut(text, "/")
	src, _, ok2 := strings.Cut(link, ">")
	_, when, ok3 := strings.Cut(rest, "@")
	start, number, ok4 := strings.Cut(when, "#")
	session, err := strconv.ParseUint(number, 10, 64)
	if !ok1 || !ok2 || !ok3 || !ok4 || err != nil {
		return key{}, errors.New("read the key of a window: " + strconv.Quote(text) + " is not SRC>DST/TEST@TIME#SESSION")
	}
	return key{link, src, session, start}, nil
}

// Balance finds every window. It fails only on books that cannot be read.
func Balance(l *Ledger) (*Account, error) {
	b := &balance{rows: map[string]*Row{}, made: map[string]string{}, found: map[string]bool{}, dropped: map[string]bool{}, lost: map[string]string{}, inHand: map[life]int{}}
	for i := range l.Sites {
		b.sites = append(b.sites, &l.Sites[i])
	}
	for _, step := range []func(*Ledger) error{b.readMade, b.findStored, b.findAtSites, b.findMissing} {
		if err := step(l); err != nil {
			return nil, err
		}
	}
	return b.result(), nil
}

type life struct {
	site   string
	number int
}

type balance struct {
	sites    []*Site
	rows     map[string]*Row
	made     map[string]string // key → digest
	found    map[string]bool   // keys, wherever they were found
	dropped  map[string]bool   // keys said to be dropped
	lost     map[string]string // key → digest of those that were never on disk
	inHand   map[life]int
	findings []string
}

func (b *balance) row(k key) *Row {
	r := b.rows[k.link]
	if r == nil {
		r = &Row{Link: k.link}
		b.rows[k.link] = r
	}
	return r
}

func (b *balance) finding(format string, args ...any) {
	if len(b.findings) < MaxFindings {
		b.findings = append(b.findings, fmt.Sprintf(format, args...))
	}
}

func (b *balance) readMade(l *Ledger) error {
	for _, site := range l.Sites {
		for _, life := range site.Lives {
			for _, key := range life.Dropped {
				b.dropped[key] = true
			}
			for _, w := range life.Lost {
				b.lost[w.Key] = w.Digest
			}
			for _, w := range life.Made {
				k, err := parseKey(w.Key)
				if err != nil {
					return err
				}
				if _, twice := b.made[w.Key]; twice {
					b.row(k).Twice++
					b.finding("made twice: %s", w.Key)
					continue
				}
				b.made[w.Key] = w.Digest
				b.row(k).Made++
			}
		}
	}
	return nil
}

func (b *balance) findStored(l *Ledger) error {
	for _, w := range l.Stored {
		k, err := parseKey(w.Key)
		if err != nil {
			return err
		}
		if b.found[w.Key] {
			b.row(k).Twice++
			b.finding("stored twice: %s", w.Key)
			continue
		}
		if w.Conflicts > 0 {
			b.row(k).Changed++
			b.finding("stored in %d forms: %s", 1+w.Conflicts, w.Key)
		}
		b.take(k, w.Window, "stored", func(r *Row) { r.Stored++ })
	}
	return nil
}

// findAtSites looks into the spools. A window may be stored and still spooled,
// where the acknowledgement did not arrive; it must then be the same.
func (b *balance) findAtSites(l *Ledger) error {
	for _, site := range l.Sites {
		for _, place := range []struct {
			name    string
			windows []Window
			count   func(*Row)
		}{
			{"spooled", site.Spooled, func(r *Row) { r.Spooled++ }},
			{"set aside", site.Aside, func(r *Row) { r.Aside++ }},
		} {
			for _, w := range place.windows {
				k, err := parseKey(w.Key)
				if err != nil {
					return err
				}
				if !b.found[w.Key] {
					b.take(k, w, place.name, place.count)
				} else if digest := b.made[w.Key]; digest != w.Digest {
					b.row(k).Changed++
					b.finding("%s in another form: %s is %s, was %s", place.name, w.Key, w.Digest, digest)
				}
			}
		}
	}
	return nil
}

// take accounts for a window that is met for the first time.
func (b *balance) take(k key, w Window, place string, count func(*Row)) {
	b.found[w.Key] = true
	digest, said := b.made[w.Key]
	if !said && b.lost[w.Key] != "" {
		// The acknowledgement came too late for the probe, and not the window.
		digest, said = b.lost[w.Key], true
		b.made[w.Key] = w.Digest
		b.row(k).InHand++
	}
	switch {
	case said && digest != w.Digest:
		b.row(k).Changed++
		b.finding("%s in another form: %s is %s, was %s", place, w.Key, w.Digest, digest)
	case !said && !b.unsaid(k):
		b.row(k).Invented++
		b.finding("%s, but no probe made it: %s", place, w.Key)
		return
	case !said:
		b.made[w.Key] = w.Digest
		b.row(k).InHand++
	}
	count(b.row(k))
}

// unsaid tells whether a window may have been on disk when its probe was killed
// before it could say so: of a life that was killed, and few enough.
func (b *balance) unsaid(k key) bool {
	for _, site := range b.sites {
		if site.ID != k.src {
			continue
		}
		at := -1
		for i := range site.Lives {
			if site.Lives[i].Session <= k.session {
				at = i
			}
		}
		if at < 0 || site.Lives[at].Stopped {
			return false
		}
		b.inHand[life{site.ID, at}]++
		return b.inHand[life{site.ID, at}] <= MostInHand
	}
	return false
}

// findMissing shares out what is nowhere: the probe named it as dropped, or it is
// among the oldest of its site that were dropped and, by a kill or an older
// version, not named, as many as the spool counted; the rest is lost.
func (b *balance) findMissing(l *Ledger) error {
	missing := map[string][]Window{}
	for text, digest := range b.made {
		if b.found[text] {
			continue
		}
		k, err := parseKey(text)
		if err != nil {
			return err
		}
		missing[k.src] = append(missing[k.src], Window{text, digest})
	}
	for src, windows := range missing {
		left := b.unnamed(l, src)
		slices.SortFunc(windows, func(x, y Window) int {
			a, _ := parseKey(x.Key) // both were read before
			c, _ := parseKey(y.Key)
			return cmp.Or(cmp.Compare(a.session, c.session), cmp.Compare(a.start, c.start), cmp.Compare(x.Key, y.Key))
		})
		for _, w := range windows {
			k, _ := parseKey(w.Key)
			if b.dropped[w.Key] {
				b.row(k).Dropped++
				continue
			}
			if left > 0 {
				left--
				b.row(k).Dropped++
				continue
			}
			b.row(k).Lost++
			b.finding("lost: %s", w.Key)
		}
	}
	return nil
}

// unnamed is how many windows a spool counted as dropped and its probe did not
// name.
func (b *balance) unnamed(l *Ledger, src string) (n int64) {
	for _, site := range l.Sites {
		if site.ID != src {
			continue
		}
		n += site.Dropped
		for _, life := range site.Lives {
			n -= int64(len(life.Dropped))
		}
	}
	return max(n, 0)
}

func (b *balance) result() *Account {
	a := &Account{Total: Row{Link: "all"}, Findings: b.findings}
	slices.Sort(a.Findings)
	for _, r := range b.rows {
		a.Links = append(a.Links, *r)
		a.Total.add(r)
	}
	slices.SortFunc(a.Links, func(x, y Row) int { return cmp.Compare(x.Link, y.Link) })
	return a
}
