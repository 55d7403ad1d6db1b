package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Style says how the text may look.
type Style struct {
	Color bool
	Width int // columns of the terminal; 0: it is none, and a finding is one line
}

const (
	// labelWidth is the column in which the text begins, less the mark.
	labelWidth = 20
	// narrow is the width below which the text begins under its label.
	narrow = 60
	// wide is more than the eye can follow in a line.
	wide = 110
)

// mark and colour of a status.
func (s Status) mark() (mark, color string) {
	switch s {
	case StatusOK:
		return "✓", "32"
	case StatusWarning:
		return "!", "33"
	case StatusFailed:
		return "✗", "31"
	}
	return "–", "2"
}

// Write writes a finding for a person.
func (f Finding) Write(w io.Writer, s Style) error {
	mark, color := f.Status.mark()
	if s.Color {
		mark = "\x1b[" + color + "m" + mark + "\x1b[0m"
	}
	label := strings.TrimSpace(f.Check + " " + f.Subject)
	if s.Width == 0 {
		line := fmt.Sprintf("%s %-*s %s", mark, labelWidth, label, f.Text)
		if f.Do != "" {
			line += "; " + f.Do
		}
		_, err := fmt.Fprintln(w, line)
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %-*s", mark, labelWidth, label)
	indent, room := labelWidth+3, min(s.Width, wide)-labelWidth-3
	apart := len(label) > labelWidth || s.Width < narrow
	if apart {
		text.Reset()
		fmt.Fprintf(&text, "%s %s", mark, label)
	}
	if s.Width < narrow {
		indent, room = 4, s.Width-4
	}
	lines := wrap(f.Text, room)
	if f.Do != "" {
		for i, line := range wrap(f.Do, room-2) {
			lines = append(lines, []string{"→ ", "  "}[min(i, 1)]+line)
		}
	}
	for i, line := range lines {
		if i == 0 && !apart {
			text.WriteString(" " + line + "\n")
			continue
		}
		if i == 0 {
			text.WriteString("\n")
		}
		text.WriteString(strings.Repeat(" ", indent) + line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// wrap breaks a text between words into lines of at most so many columns. A
// word that is longer stays whole, so that it can be copied.
func wrap(text string, columns int) []string {
	// Counted the same under every locale.
	width := &runewidth.Condition{}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case width.StringWidth(line)+1+width.StringWidth(word) <= columns:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
