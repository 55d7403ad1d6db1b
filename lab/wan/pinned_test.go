package wan_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"
)

// TestFatesStay holds the fates of packets to what they were when emulated runs
// were first published: whoever repeats one by its seed has to meet them again.
func TestFatesStay(t *testing.T) {
	n := network(t, `
version: 1
seed: 20231008
defaults: {stretch: 1.2, loss_percent: 5, duplicate_percent: 3, reorder_percent: 4, hops: 9, jitter: {distribution: exponential, median_ms: 0.3}}
links:
  - {from: x, to: z, asymmetry: 0.6, jitter: {distribution: normal, median_ms: 1}}
  - {carriers: [b], jitter: {distribution: uniform, median_ms: 2}}
`)
	sum := sha256.New()
	for _, l := range [][2]int{{xa, ya}, {ya, xa}, {xa, za}, {za, xa}, {xb, yb}} {
		for seq := range uint64(1000) {
			fmt.Fprintln(sum, n.Fate(l[0], l[1], time.Duration(seq)*time.Second, seq))
		}
	}
	const want = "59414ebd2a0609cf6d10a5d68c26c32571cd7fc81118c00b9a0935371a2f6b79"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("fates have the hash %s, want %s", got, want)
	}
}
