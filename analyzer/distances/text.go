package distances

import (
	"fmt"
	"strings"
)

// Text is a file by lines, with what is put in and what is replaced.
type Text struct {
	lines    []string         // without their ends
	eol      string           // how lines of the file end
	cut      bool             // the last line has no end
	replaced map[int]string   // by the index of the line
	inserted map[int][]string // after the line of this index; -1: before the first
}

func newText(data []byte) *Text {
	t := &Text{eol: "\n", replaced: map[int]string{}, inserted: map[int][]string{}}
	text := string(data)
	if first := strings.IndexByte(text, '\n'); first > 0 && text[first-1] == '\r' {
		t.eol = "\r\n"
	}
	t.lines = strings.Split(text, "\n")
	if last := len(t.lines) - 1; t.lines[last] == "" {
		t.lines = t.lines[:last]
	} else {
		t.cut = true
	}
	for i, line := range t.lines {
		// Lines that end otherwise than the first keep their ends.
		t.lines[i] = strings.TrimSuffix(line, strings.TrimSuffix(t.eol, "\n"))
	}
	return t
}

func (t *Text) insert(after int, lines ...string) {
	t.inserted[after] = append(t.inserted[after], lines...)
}

// Bytes is the text with its changes.
func (t *Text) Bytes() []byte {
	var b strings.Builder
	for _, l := range t.steps() {
		if l.mark != '-' {
			b.WriteString(l.text + l.end)
		}
	}
	return []byte(b.String())
}

// step is one line of the comparison of old and new.
type step struct {
	mark byte // ' ', '-' or '+'
	text string
	end  string
}

func (t *Text) steps() []step {
	var steps []step
	put := func(mark byte, lines ...string) {
		for _, line := range lines {
			steps = append(steps, step{mark, line, t.eol})
		}
	}
	put('+', t.inserted[-1]...)
	for i, line := range t.lines {
		line, changed := line, false
		with, replaced := t.replaced[i]
		changed = replaced && with != line
		last := t.cut && i == len(t.lines)-1
		if last && !changed && len(t.inserted[i]) > 0 {
			with, changed = line, true // it gets an end
		}
		if changed {
			put('-', line)
			if last {
				steps[len(steps)-1].end = ""
			}
			put('+', with)
		} else {
			put(' ', line)
			if last {
				steps[len(steps)-1].end = ""
			}
		}
		put('+', t.inserted[i]...)
	}
	return steps
}

// Diff shows the changes in the unified form that patch takes.
func (t *Text) Diff(file string) string {
	const context = 3
	steps := t.steps()
	near := make([]bool, len(steps))
	for i, s := range steps {
		if s.mark != ' ' {
			for j := max(0, i-context); j <= min(len(steps)-1, i+context); j++ {
				near[j] = true
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", file, file)
	oldLine, newLine := 1, 1
	for i := 0; i < len(steps); i++ {
		if !near[i] {
			oldLine, newLine = oldLine+1, newLine+1
			continue
		}
		end := i
		for end < len(steps) && near[end] {
			end++
		}
		oldCount, newCount, body := hunk(steps[i:end])
		fmt.Fprintf(&b, "@@ -%s +%s @@\n%s", lineRange(oldLine, oldCount), lineRange(newLine, newCount), body)
		oldLine, newLine, i = oldLine+oldCount, newLine+newCount, end-1
	}
	return b.String()
}

func hunk(steps []step) (oldCount, newCount int, body string) {
	var b strings.Builder
	for _, s := range steps {
		if s.mark != '+' {
			oldCount++
		}
		if s.mark != '-' {
			newCount++
		}
		b.WriteString(string(s.mark) + s.text + strings.TrimSuffix(s.end, "\n") + "\n")
		if s.end == "" {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
	return oldCount, newCount, b.String()
}

// lineRange names the line before an empty range, as diff does.
func lineRange(first, count int) string {
	if count == 0 {
		first--
	}
	return fmt.Sprintf("%d,%d", first, count)
}
