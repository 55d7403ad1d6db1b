package cli

import (
	"testing"
	"time"
)

func TestLife(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1d": 24 * time.Hour, "30d": 720 * time.Hour, "0d": 0, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute,
		"36500d": 36500 * 24 * time.Hour,
		// -1 is refused.
		"": -1, "d": -1, "1": -1, "1.5d": -1, "-1d": -1, "-1h": -1, "1d12h": -1, "36501d": -1, "1w": -1, "soon": -1,
	} {
		var l Life
		err := l.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || err == nil && time.Duration(l) != want {
			t.Errorf("%q is %s, %v; want %s", text, time.Duration(l), err, want)
		}
	}
}
