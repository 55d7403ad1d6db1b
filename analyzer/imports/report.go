package imports

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// shown is how many of a kind are told one by one.
const shown = 20

// distinct bounds the kinds of what is left out that are counted apart.
const distinct = 10_000

// Report is what became of the rows.
type Report struct {
	Files    int
	Rows     int
	Bad      int
	LeftOut  int // belong to no link of the mesh
	Repeated int // told a second time, and counted once
	Links    int
	Windows  int
	// Of the windows:
	Stored    int // now
	Known     int // stored before
	Conflicts int // stored under a key under which another one stands
	// Archived says that the store had other meshes, and now has the one of the
	// import as its newest, by which later periods are judged.
	Archived bool
	// Beside are links whose windows the store also has from elsewhere, at the
	// same time by the same test: the packets of both count.
	Beside []string

	faults []fault
	out    map[string]int
}

type fault struct {
	file string
	line int
	err  error
}

func (r *Report) bad(file string, line int, err error) {
	r.Bad++
	if len(r.faults) < shown {
		r.faults = append(r.faults, fault{file, line, err})
	}
}

func (r *Report) leaveOut(reason string) {
	r.LeftOut++
	if r.out == nil {
		r.out = map[string]int{}
	}
	if _, known := r.out[reason]; !known && len(r.out) >= distinct {
		reason = "others"
	}
	r.out[reason]++
}

// WriteBad lists the first bad rows, each on a line with its file and line.
func (r *Report) WriteBad(w io.Writer) error {
	for _, f := range r.faults {
		if _, err := fmt.Fprintf(w, "%s:%d: %v\n", f.file, f.line, f.err); err != nil {
			return err
		}
	}
	if more := r.Bad - len(r.faults); more > 0 {
		_, err := fmt.Fprintf(w, "and %d more\n", more)
		return err
	}
	return nil
}

// Write tells in a few lines what became of the rows.
func (r *Report) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "rows     %d of %d files: %d bad, %d left out, %d told twice\nwindows  %d of %d links: %d stored now, %d stored before\n",
		r.Rows, r.Files, r.Bad, r.LeftOut, r.Repeated, r.Windows, r.Links, r.Stored, r.Known)
	if err == nil && r.Conflicts > 0 {
		_, err = fmt.Fprintf(w, "conflict %d of them differ from what the store has under the same key, which counts\n", r.Conflicts)
	}
	if err != nil || r.LeftOut == 0 {
		return err
	}
	reasons := slices.SortedFunc(maps.Keys(r.out), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.out[b], r.out[a]), cmp.Compare(a, b))
	})
	for i, reason := range reasons {
		if i == shown {
			rest := 0
			for _, other := range reasons[i:] {
				rest += r.out[other]
			}
			_, err := fmt.Fprintf(w, "left out %8d  for %d more reasons\n", rest, len(reasons)-i)
			return err
		}
		if _, err := fmt.Fprintf(w, "left out %8d  %s\n", r.out[reason], reason); err != nil {
			return err
		}
	}
	return nil
}
