package verify

import (
	"cmp"
	"encoding/json"
	"slices"
)

// SchemaVerification is the schema of a Result.
const SchemaVerification = "fibergauge.verification/1"

// Result is what a verification found.
type Result struct {
	Schema      string `json:"schema"`
	GeneratedBy string `json:"generated_by"`
	From        string `json:"from"` // of the period, RFC 3339
	To          string `json:"to"`
	TimeZone    string `json:"time_zone"`
	Good        bool   `json:"good"` // there are no findings
	Total       Counts `json:"total"`
	Sites       []Site `json:"sites"`
	// Keys are all that are archived. That they are the sites' own cannot be
	// seen from the store: compare the ids with those that the sites know.
	Keys []Key `json:"keys"`
	// Counts has how many findings there are of each code, and LeftOut how many
	// of them Findings leaves out.
	Counts   map[string]int `json:"counts"`
	Findings []Finding      `json:"findings"`
	LeftOut  int            `json:"left_out"`
}

// Counts of windows in the period, by what speaks for them, and of entries of
// the journal.
type Counts struct {
	Windows       int `json:"windows"`
	Signed        int `json:"signed"`         // stated in an entry with a good signature
	Unsigned      int `json:"unsigned"`       // only in entries without, of when the site had no key
	Faulty        int `json:"faulty"`         // only in entries that are findings
	Unjournalled  int `json:"not_journalled"` // in no entry; each is a finding
	Lost          int `json:"lost"`           // brought by an entry and not in the store
	Refused       int `json:"refused"`        // stated, brought by no entry and not there: the collector refused them, or so it seems
	Conflicts     int `json:"conflicts"`      // beside the window that counts
	Entries       int `json:"entries"`
	SignedEntries int `json:"signed_entries"`
}

func (c *Counts) add(s *Site) {
	c.Windows += s.Windows
	c.Signed += s.Signed
	c.Unsigned += s.Unsigned
	c.Faulty += s.Faulty
	c.Unjournalled += s.Unjournalled
	c.Lost += s.Lost
	c.Refused += s.Refused
	c.Conflicts += s.Conflicts
	c.Entries += s.Entries
	c.SignedEntries += s.SignedEntries
}

// Site has the counts of the windows from one site.
type Site struct {
	Site string `json:"site"`
	Counts
}

// Key is an archived signing key.
type Key struct {
	Site     string `json:"site"`
	ID       string `json:"id"`                // SHA-256 of the public key
	Enrolled string `json:"enrolled"`          // RFC 3339
	Revoked  string `json:"revoked,omitempty"` // absent: in force
	Entries  int    `json:"entries"`           // that it signed, and that touch the period
}

// Codes of findings.
const (
	WindowNotJournalled = "window_not_journalled"
	WindowLost          = "window_lost"
	SignatureWrong      = "signature_wrong"
	SignatureMissing    = "signature_missing"
	KeyUnknown          = "key_unknown"
	KeyNotInForce       = "key_not_in_force"
	StatementWrong      = "statement_wrong"
	StatementMissing    = "statement_missing"
	EntryChanged        = "entry_changed"
	AdmittedTooEarly    = "admitted_too_early"
	Conflict            = "conflict"
	ConflictOrder       = "conflict_order"
	MeshMissing         = "mesh_missing"
	WindowUnsigned      = "window_unsigned" // only where Options.Strict asks for it, as the next
	WindowRefused       = "window_refused"
	MeshChanged         = "mesh_changed"
	NothingToVerify     = "nothing_to_verify" // alone: neither windows nor what tells of some
)

// Finding is one thing that is not as it should be. Text says it to people.
type Finding struct {
	Code       string  `json:"code"`
	Site       string  `json:"site,omitempty"`
	Entry      *Entry  `json:"entry,omitempty"`
	Window     *Window `json:"window,omitempty"`
	Span       *Span   `json:"span,omitempty"`
	KeyID      string  `json:"key_id,omitempty"`
	MeshSHA256 string  `json:"mesh_sha256,omitempty"`
	Windows    int     `json:"windows,omitempty"` // how many it concerns, where it is of several
}

// Entry names one of the journal.
type Entry struct {
	Admitted string `json:"admitted"` // by the collector's clock, UTC
	Batch    string `json:"batch"`
}

// Window names one.
type Window struct {
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Test    string `json:"test"`
	Session uint64 `json:"session"`
	StartMS int64  `json:"start_ms"`
	SHA256  string `json:"sha256"` // of its content as it is stored; may be the first half
}

// Span is what an entry says of one link.
type Span struct {
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Test    string `json:"test"`
	FirstMS int64  `json:"first_ms"`
	LastMS  int64  `json:"last_ms"`
	Windows int    `json:"windows"`
}

// maxListed is how many findings of one code are listed; the others are
// counted. A store that was replaced as a whole has millions.
const maxListed = 10_000

// findings are collected. The zero value is empty.
type findings struct {
	counts map[string]int
	listed []Finding
}

func (f *findings) add(one Finding) {
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	if f.counts[one.Code]++; f.counts[one.Code] <= maxListed {
		f.listed = append(f.listed, one)
	}
}

// sorted gives them by code, site and time.
func (f *findings) sorted() (counts map[string]int, listed []Finding, leftOut int) {
	slices.SortStableFunc(f.listed, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Site, b.Site), cmp.Compare(a.place(), b.place()))
	})
	counts, leftOut = map[string]int{}, -len(f.listed)
	for code, n := range f.counts {
		counts[code] = n
		leftOut += n
	}
	return counts, append([]Finding{}, f.listed...), leftOut
}

// place orders findings of one code and site.
func (f *Finding) place() string {
	place, err := json.Marshal([]any{f.Entry, f.Window, f.Span, f.MeshSHA256})
	if err != nil {
		panic(err) // the types hold nothing that JSON cannot carry
	}
	return string(place)
}
