package run

import (
	"fmt"
	"time"
)

// progress shows how far the run is.
func (s *stage) progress(now time.Duration) {
	up := "collector up"
	if s.collector.child == nil {
		up = "collector away"
	}
	c := s.emulator.Counts()
	s.say("emulated network, %s of %s: %d packets carried, %d lost on the way, %s",
		now.Truncate(time.Second), s.plan.For, c.Delivered, c.Lost, up)
}

// say replaces the line of progress; an empty text takes it away.
func (s *stage) say(format string, args ...any) {
	if s.out.Progress != nil {
		// Nobody can be told that a terminal does not take the text.
		_, _ = fmt.Fprintf(s.out.Progress, "\r\x1b[K"+format, args...)
	}
}
