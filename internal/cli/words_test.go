package cli

import "testing"

func TestCount(t *testing.T) {
	if got := Count(2, "address"); got != "2 addresses" {
		t.Error(got)
	}
	for n, want := range map[int64]string{0: "0 windows", 1: "1 window", 2: "2 windows", -1: "-1 windows"} {
		if got := Count(n, "window"); got != want {
			t.Errorf("%d is told as %q, want %q", n, got, want)
		}
	}
}
