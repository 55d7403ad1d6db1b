package series

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// inOrder reads n things, some at once, and gives each in its turn. The memory that
// it takes is that of those under way, not of all.
func inOrder[T any](ctx context.Context, n int, read func(ctx context.Context, k int) (T, error), give func(k int, what T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	atOnce := max(2, runtime.GOMAXPROCS(0))
	group.SetLimit(atOnce + 1)            // the one that gives is one of them
	room := make(chan struct{}, 2*atOnce) // read or being read, and not given yet
	found := make([]chan T, n)
	for k := range found {
		found[k] = make(chan T, 1)
	}
	group.Go(func() error {
		for k := range n {
			select {
			case what := <-found[k]:
				if err := give(k, what); err != nil {
					return err
				}
				<-room
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for k := range n {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return group.Wait()
		}
		group.Go(func() error {
			what, err := read(ctx, k)
			if err == nil {
				found[k] <- what
			}
			return err
		})
	}
	return group.Wait()
}
