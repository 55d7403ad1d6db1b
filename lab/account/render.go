package account

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Render writes the account as a table.
func (a *Account) Render(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) {
		_, _ = fmt.Fprintf(t, format+"\n", args...) // told by Flush
	}
	row("link\tmade\tin hand\tstored\tspooled\taside\tdropped\tlost\ttwice\tchanged\tinvented\t")
	for _, r := range append(a.Links, a.Total) {
		row("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t", r.Link, r.Made, r.InHand, r.Stored, r.Spooled, r.Aside, r.Dropped, r.Lost, r.Twice, r.Changed, r.Invented)
	}
	for _, finding := range a.Findings {
		row("%s", finding)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("show the account: %w", err)
	}
	return nil
}
