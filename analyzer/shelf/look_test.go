package shelf

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Who asks all the time waits for the first look only; one that is too old
// counts no more, and a look that fails is not what was seen.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var going sync.WaitGroup
		defer going.Wait()
		reads, fails := 0, atomic.Bool{}
		l := look[int]{every: 2 * time.Second, going: &going, read: func(context.Context) (int, error) {
			reads++
			n := reads
			time.Sleep(500 * time.Millisecond)
			if fails.Load() {
				return 0, errors.New("no answer")
			}
			return n, nil
		}}
		began := time.Now()
		for _, c := range []struct {
			sleep  time.Duration // before
			value  int
			waited time.Duration
			err    bool
		}{
			{0, 1, 500 * time.Millisecond, false},
			{400 * time.Millisecond, 1, 0, false}, // 0.9 s old
			{200 * time.Millisecond, 1, 0, false}, // 1.1 s old: read again meanwhile
			{100 * time.Millisecond, 1, 0, false}, // which takes a while
			{600 * time.Millisecond, 2, 0, false}, // 0.7 s old
			{10 * time.Second, 3, 500 * time.Millisecond, false},
			{2 * time.Second, 0, 500 * time.Millisecond, true},
			{0, 0, 500 * time.Millisecond, true},
		} {
			time.Sleep(c.sleep)
			fails.Store(c.err)
			asked := time.Now()
			value, err := l.get(t.Context(), t.Context())
			if waited := time.Since(asked); value != c.value || waited != c.waited || (err != nil) != c.err {
				t.Errorf("after %s: %d, %v, waited %s", asked.Sub(began), value, err, waited)
			}
		}
	})
}
