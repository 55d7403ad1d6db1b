package run

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows how far the run is.
func (s *stage) progress(now time.Duration) {
	up := "collector up"
	if s.collector.child == nil {
		up = "collector away"
	}
	c := s.emulator.Counts()
	s.say("emulating, %s of %s: %d packets carried, %d lost, %s",
		now.Truncate(time.Second), s.plan.For, c.Delivered, c.Lost, up)
}

// say replaces the line of progress; an empty text takes it away.
func (s *stage) say(format string, args ...any) {
	if s.out.Progress != nil {
		// Nobody can be told that a terminal does not take the text.
		_, _ = io.WriteString(s.out.Progress, "\r\x1b[K"+fit(fmt.Sprintf(format, args...), s.out.Progress))
	}
}

// fit cuts a text to the width of a terminal: what wraps cannot be replaced.
func fit(text string, w io.Writer) string {
	terminal, ok := w.(*os.File)
	if !ok {
		return text
	}
	width, _, err := term.GetSize(int(terminal.Fd()))
	if runes := []rune(text); err == nil && width > 1 && len(runes) >= width {
		return string(runes[:width-2]) + "…"
	}
	return text
}
