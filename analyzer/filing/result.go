package filing

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/internal/cli"
)

// SchemaVerification is the schema of a Result.
const SchemaVerification = "fibergauge.file-verification/1"

// Result is what a check found.
type Result struct {
	Schema      string         `json:"schema"`
	GeneratedBy string         `json:"generated_by"`
	Good        bool           `json:"good"`    // there are no findings
	Reports     []Report       `json:"reports"` // one for each manifest
	Counts      map[string]int `json:"counts"`  // findings of each code
	Findings    []Finding      `json:"findings"`
}

// Report is a manifest and what stands in it. What an unreadable one says is
// empty.
type Report struct {
	Manifest  string             `json:"manifest"` // path
	SHA256    string             `json:"sha256"`   // of the manifest
	Period    *manifest.Period   `json:"period"`
	Revision  int                `json:"revision"`
	Replaces  *manifest.Replaced `json:"replaces,omitempty"`
	Signature Signature          `json:"signature"`
	Files     int                `json:"files"`
	AsFiled   int                `json:"as_filed"` // of the files
	Notes     []string           `json:"notes"`    // worth knowing, and no fault
}

// Signature says who signed a manifest, as far as it can be said.
type Signature struct {
	State     string             `json:"state"`
	Algorithm manifest.Algorithm `json:"algorithm,omitempty"`
	KeyID     string             `json:"key_id,omitempty"`
	// KeyGiven says that the key is one of those that were given as trusted.
	// Without it a good signature shows that nobody who lacks the key has changed
	// the manifest, and not whose key that is.
	KeyGiven bool `json:"key_given"`
}

// States of a signature.
const (
	SignatureGood   = "good"
	SignatureBad    = "wrong"
	SignatureAbsent = "missing" // the manifest names a key
	SignatureNone   = "none"    // it names none: nobody vouches for it
	SignatureUnread = "unknown" // the manifest cannot be read
)

// Codes of findings.
const (
	NothingToVerify   = "nothing_to_verify"
	ManifestBroken    = "manifest_broken"
	NotSigned         = "not_signed" // and a key was given
	SignatureMissing  = "signature_missing"
	SignatureWrong    = "signature_wrong"
	KeyNotGiven       = "key_not_given"
	FileMissing       = "file_missing"
	FileChanged       = "file_changed"
	FileNotRegular    = "file_not_regular"
	FileUnreadable    = "file_unreadable"
	FileExtra         = "file_extra"
	ReportContradicts = "report_contradicts" // the JSON report its manifest, or itself
	ChainBroken       = "chain_broken"
)

// Finding is one thing that is not as it was filed. Text says it to people.
type Finding struct {
	Code        string         `json:"code"`
	Manifest    string         `json:"manifest,omitempty"` // path
	File        string         `json:"file,omitempty"`     // path
	Detail      string         `json:"detail,omitempty"`
	Filed       *manifest.File `json:"filed,omitempty"`
	Found       *manifest.File `json:"found,omitempty"`
	Differences []Difference   `json:"differences,omitempty"`
	LeftOut     int            `json:"left_out,omitempty"` // differences that are not listed; after ten thousand no more are looked for
}

// Difference is a place in a file that says something else than what was filed.
type Difference struct {
	Where string `json:"where"` // such as: row 3 (optical, A – B), Ratio
	Filed string `json:"filed"`
	Found string `json:"found"`
}

// maxDifferences is how many are listed of one file.
const maxDifferences = 20

// Text says a finding in a line.
func (f *Finding) Text() string {
	what := ""
	switch f.Code {
	case NothingToVerify:
		return f.Detail
	case ManifestBroken:
		what = plain(f.Manifest) + " is no manifest: " + f.Detail
	case NotSigned:
		what = plain(f.Manifest) + " is not signed, and a key was given"
	case SignatureMissing:
		what = plain(f.Manifest+signatureSuffix) + " is missing; the manifest says that it was signed"
	case SignatureWrong:
		what = plain(f.Manifest+signatureSuffix) + " is no signature of this manifest by the key that it names: one of the two was altered"
	case KeyNotGiven:
		what = plain(f.Manifest) + " is signed by a key that is none of those given: " + f.Detail
	case FileMissing:
		what = plain(f.File) + " is missing"
	case FileChanged:
		what = plain(f.File) + " is not what was filed"
		if f.Detail != "" {
			what += ": " + f.Detail
		}
	case FileNotRegular:
		what = plain(f.File) + " is no file but " + f.Detail + "; what it leads to was not looked at"
	case FileUnreadable:
		what = plain(f.File) + " cannot be read: " + f.Detail
	case FileExtra:
		what = plain(f.File) + " was not filed: " + f.Detail
	case ReportContradicts:
		what = plain(f.File) + " contradicts its manifest or itself: " + f.Detail
	case ChainBroken:
		what = plain(f.Manifest) + ": " + f.Detail
	}
	return what
}

// text says a difference.
func (d *Difference) text() string {
	return fmt.Sprintf("%s: filed %s, found %s", d.Where, shown(d.Filed), shown(d.Found))
}

// shown is a value that rules no terminal, cut to what fits a line.
func shown(s string) string {
	if s == "" {
		return "nothing"
	}
	return plain(runewidth.Truncate(s, 64, "…"))
}

// plain quotes what has marks that are not to be printed.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// Summary is what comes of it.
func (r *Result) Summary() string {
	if !r.Good {
		return cli.Count(len(r.Findings), "finding")
	}
	files, worst := 0, SignatureGood
	given := true
	for _, one := range r.Reports {
		files += one.AsFiled
		given = given && one.Signature.KeyGiven
		if one.Signature.State != SignatureGood {
			worst = one.Signature.State
		}
	}
	text := cli.Count(files, "file")
	if files == 1 {
		text += " is"
	} else {
		text += " are"
	}
	switch {
	case worst != SignatureGood:
		return text + " as the manifest says, which is not signed: whoever changes both is not found"
	case given:
		return text + " as signed by a key that was given"
	}
	return text + " as signed, by a key that nobody vouched for: compare its id, or give --key"
}
