package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Table writes a result for people: counts by site, the keys, a line for each
// finding, and what comes of it.
func Table(w io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s (%s)\n\n", r.From, r.To, r.TimeZone)
	tab := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	heads := []string{"WINDOWS", "SIGNED", "UNSIGNED", "FAULTY", "NOT JOURNALLED", "LOST", "REFUSED", "CONFLICTS", "ENTRIES", "SIGNED ENTRIES"}
	most := len(fmt.Sprint(max(r.Total.Windows, r.Total.Entries)))
	row := func(name string, c Counts) {
		fmt.Fprint(tab, name)
		for i, n := range []int{c.Windows, c.Signed, c.Unsigned, c.Faulty, c.Unjournalled, c.Lost, c.Refused, c.Conflicts, c.Entries, c.SignedEntries} {
			fmt.Fprintf(tab, "\t%*d", max(len(heads[i]), most), n)
		}
		fmt.Fprintln(tab)
	}
	fmt.Fprint(tab, "SITE")
	for _, head := range heads {
		fmt.Fprintf(tab, "\t%*s", max(len(head), most), head)
	}
	fmt.Fprintln(tab)
	for _, s := range r.Sites {
		row(plain(s.Site), s.Counts)
	}
	row("all", r.Total)
	if len(r.Keys) > 0 {
		fmt.Fprintln(tab, "\nKEY OF\tENTRIES\tENROLLED\tREVOKED\tID")
		for _, k := range r.Keys {
			fmt.Fprintf(tab, "%s\t%d\t%s\t%s\t%s\n", plain(k.Site), k.Entries, k.Enrolled, orDash(k.Revoked), k.ID)
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	b.WriteString("\n")
	for i := range r.Findings {
		fmt.Fprintf(&b, "%s: %s\n", r.Findings[i].Code, r.Findings[i].Text())
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(&b, "… and %d more\n", r.LeftOut)
	}
	b.WriteString(r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) summary() string {
	switch {
	case r.Good:
		return fmt.Sprintf("good: %d of %s signed, and nothing contradicts the journal\n", r.Total.Signed, cli.Count(r.Total.Windows, "window"))
	}
	var counted []string
	for code, n := range r.Counts {
		counted = append(counted, fmt.Sprintf("%d %s", n, code))
	}
	slices.Sort(counted)
	return "findings: " + strings.Join(counted, ", ") + "\n"
}

// Text says a finding in a line.
func (f *Finding) Text() string {
	switch f.Code {
	case WindowNotJournalled:
		return fmt.Sprintf("%s is in no statement of %s: it was changed or invented, or its entry was removed or changed", f.Window, plain(f.Site))
	case WindowLost:
		return fmt.Sprintf("%s brought %s of %s; removed from the store, or changed there: %d", f.entry(), cli.Count(f.Span.Windows, "window"), f.Span, f.Windows)
	case SignatureWrong:
		return f.entry() + ": its signature is not of what it states"
	case SignatureMissing:
		return f.entry() + ": it has no signature, though a key of the site was in force"
	case KeyUnknown:
		return fmt.Sprintf("%s: it is signed by a key that is not archived of the site, %s", f.entry(), plain(f.KeyID))
	case KeyNotInForce:
		return fmt.Sprintf("%s: its key was enrolled later or revoked before, %s", f.entry(), plain(f.KeyID))
	case StatementWrong:
		return f.entry() + ": its statement is not that of the batch, whose hash is another"
	case StatementMissing:
		return f.entry() + ": it has no statement, though it is signed or a key of the site was in force"
	case EntryChanged:
		return f.entry() + ": its spans do not fit its site or its number of windows"
	case AdmittedTooEarly:
		return f.entry() + ": it was admitted before its windows began"
	case WindowUnsigned:
		return fmt.Sprintf("%s of %s not signed: nothing shows that this is what the site sent", cli.Count(f.Windows, "window"), plain(f.Site))
	case WindowRefused:
		return fmt.Sprintf("%s: %d of the windows that it states are not in the store: the collector refused them, or they were removed and its numbers changed; the site's log says which", f.entry(), f.Windows)
	case Conflict:
		return fmt.Sprintf("%s differs from another of the same key, which counts", f.Window)
	case ConflictOrder:
		return fmt.Sprintf("%s was admitted before the one that counts instead of it", f.Window)
	case MeshMissing:
		return fmt.Sprintf("mesh %s is not archived, and named by %s", plain(f.MeshSHA256), cli.Count(f.Windows, "window"))
	case MeshChanged:
		return fmt.Sprintf("mesh %s is archived with other content", plain(f.MeshSHA256))
	case NothingToVerify:
		return "the store has no window of this period; see whether it is the right period and store"
	}
	return ""
}

func (f *Finding) entry() string {
	return fmt.Sprintf("entry of %s at %s, batch %.16s", plain(f.Site), f.Entry.Admitted, plain(f.Entry.Batch))
}

// String names the window as people do.
func (w *Window) String() string {
	key := wire.Key{Src: plain(w.Src), Dst: plain(w.Dst), Test: plain(w.Test), Session: w.Session, StartMS: w.StartMS}
	return fmt.Sprintf("window %s (%.16s)", key, w.SHA256)
}

// String names the link and the time from the first to the last start.
func (s *Span) String() string {
	form := "2006-01-02T15:04:05Z"
	return fmt.Sprintf("%s>%s/%s from %s to %s", plain(s.Src), plain(s.Dst), plain(s.Test),
		time.UnixMilli(s.FirstMS).UTC().Format(form), time.UnixMilli(s.LastMS).UTC().Format(form))
}

// plain keeps what an altered store may hold from ruling the terminal.
func plain(s string) string {
	if wire.IsIdentifier(s) {
		return s
	}
	return fmt.Sprintf("%.80q", s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
