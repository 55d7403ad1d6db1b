package series

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever is read first, all is given in its order, and the first error of either
// side ends it.
func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := errors.New("wrong")
		for _, c := range []struct {
			n, readFails, giveFails int
			given                   int
		}{{0, -1, -1, 0}, {50, -1, -1, 50}, {50, 20, -1, 20}, {50, -1, 20, 21}} {
			var given []int
			err := inOrder(t.Context(), c.n, func(ctx context.Context, k int) (int, error) {
				time.Sleep(time.Duration(k*7%5) * time.Second)
				if k == c.readFails {
					return 0, wrong
				}
				return k, nil
			}, func(k, what int) error {
				if k != what {
					t.Errorf("%d was given as %d", what, k)
				}
				if given = append(given, what); k == c.giveFails {
					return wrong
				}
				return nil
			})
			if fails := c.readFails >= 0 || c.giveFails >= 0; errors.Is(err, wrong) != fails || !slices.IsSorted(given) || len(given) > c.given || !fails && len(given) != c.n {
				t.Errorf("%+v: %v, %v", c, err, given)
			}
		}
	})
}
