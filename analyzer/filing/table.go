package filing

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/fibergauge/fibergauge/analyzer/manifest"
)

// columns is the width that fits every terminal and a page.
const columns = 80

// Table writes a result for people: each report with who signed it, a line for
// each finding with what differs, and what comes of it.
func Table(w io.Writer, r *Result) error {
	var b strings.Builder
	for i := range r.Reports {
		r.Reports[i].write(&b, slices.ContainsFunc(r.Findings, func(f Finding) bool {
			return f.Code == KeyNotGiven && f.Manifest == r.Reports[i].Manifest
		}))
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		wrap(&b, 0, 4, f.Code+": "+f.Text())
		for d := range f.Differences {
			wrap(&b, 4, 8, f.Differences[d].text())
		}
		if f.LeftOut > 0 {
			fmt.Fprintf(&b, "    … and %d more\n", f.LeftOut)
		}
	}
	if r.Good {
		wrap(&b, 0, 4, "good: "+r.Summary())
	} else {
		var counted []string
		for _, code := range r.codes() {
			counted = append(counted, fmt.Sprintf("%d %s", r.Counts[code], code))
		}
		wrap(&b, 0, 4, "findings: "+strings.Join(counted, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// write writes a report; strange says that keys were given, and its own is none
// of them.
func (r *Report) write(b *strings.Builder, strange bool) {
	fmt.Fprintln(b, plain(r.Manifest))
	row := func(name, text string) { wrap(b, 2, 12, fmt.Sprintf("%-9s %s", name, text)) }
	if r.Period == nil {
		row("", "cannot be read")
		fmt.Fprintln(b)
		return
	}
	row("period", fmt.Sprintf("%s to %s", r.Period.From, r.Period.To))
	revision := fmt.Sprint(r.Revision)
	if r.Replaces != nil {
		revision += fmt.Sprintf(", in the place of %d", r.Replaces.Revision)
	}
	row("revision", revision)
	row("SHA-256", r.SHA256)
	switch s := &r.Signature; s.State {
	case SignatureNone:
		row("signed", "no: this shows damage, and no more")
	case SignatureGood:
		text := "yes, by a key that was given"
		if !s.KeyGiven {
			text = "yes; whose key it is was not checked"
			if strange {
				text = "yes, by none of the keys that were given"
			}
		}
		row("signed", text+" ("+algorithmName(s.Algorithm)+")")
		row("key", s.KeyID)
	default:
		row("signed", s.State)
		row("key", s.KeyID)
	}
	row("files", fmt.Sprintf("%d of %d as they were filed", r.AsFiled, r.Files))
	for _, note := range r.Notes {
		row("note", note)
	}
	fmt.Fprintln(b)
}

func algorithmName(a manifest.Algorithm) string {
	switch a {
	case manifest.Ed25519:
		return "Ed25519"
	case manifest.SM2:
		return "SM2 with SM3"
	}
	return string(a)
}

// wrap writes a text in lines of so many columns, the first indented by first and
// the others by rest. A word that is longer stays whole, so that it can be copied.
func wrap(b *strings.Builder, first, rest int, text string) {
	width := runewidth.Condition{StrictEmojiNeutral: true}
	b.WriteString(strings.Repeat(" ", first))
	at := first
	for i, word := range strings.Split(text, " ") {
		w := width.StringWidth(word)
		if i > 0 && at+1+w > columns {
			b.WriteString("\n" + strings.Repeat(" ", rest))
			at = rest
		} else if i > 0 {
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += w
	}
	b.WriteString("\n")
}
