//go:build !race

package spool

// raceEnabled: the test runs with the race detector, and so with checkptr.
const raceEnabled = false
