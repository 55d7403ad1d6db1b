package serve

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
)

// Bounds on what is read or laid out at once; reports have those of package
// shelf.
const (
	turnsAtOnce   = 4
	turnsOfEach   = 2
	layoutsAtOnce = 2
	exportsAtOnce = 16 // under way, most of them waiting for their reader: each has memory
)

// turns are answers that read much of the store. A reader has some at a time, so
// that none keeps the others from theirs; and while a reader takes what was read,
// as slowly as they like, others read.
type turns struct {
	all     chan struct{}
	exports chan struct{}
	layouts chan struct{} // files that are being laid out

	mu   sync.Mutex     // protects each
	each map[string]int // by the name of the reader
}

func newTurns() *turns {
	return &turns{
		all: make(chan struct{}, turnsAtOnce), exports: make(chan struct{}, exportsAtOnce),
		layouts: make(chan struct{}, layoutsAtOnce), each: map[string]int{},
	}
}

// turn is that of one answer, of one goroutine.
type turn struct {
	of   *turns
	name string
	on   bool // it may read
}

// take waits for a turn, which has to be ended. It gives nil if the reader has too
// many, who is told so, or is gone.
func (t *turns) take(w http.ResponseWriter, r *http.Request, reader *readers.Reader) *turn {
	turn, err := t.wait(r.Context(), reader.Name)
	if errors.Is(err, shelf.ErrBusy) {
		busy(w)
	}
	return turn
}

// wait is take without a request. The error is shelf.ErrBusy, or of the context.
// Whoever has no name always may: on loopback nobody has one.
func (t *turns) wait(ctx context.Context, name string) (*turn, error) {
	if !t.enter(name) {
		return nil, shelf.ErrBusy
	}
	turn := &turn{of: t, name: name}
	if err := turn.resume(ctx); err != nil {
		t.leave(name)
		return nil, err
	}
	return turn, nil
}

// pause lets others read. It may be called twice.
func (t *turn) pause() {
	if t.on {
		t.on = false
		<-t.of.all
	}
}

// resume waits until there is room to read.
func (t *turn) resume(ctx context.Context) error {
	select {
	case t.of.all <- struct{}{}:
		t.on = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *turn) end() {
	t.pause()
	t.of.leave(t.name)
}

func (t *turns) enter(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name != "" && t.each[name] >= turnsOfEach {
		return false
	}
	t.each[name]++
	return true
}

func (t *turns) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.each[name]--; t.each[name] == 0 {
		delete(t.each, name)
	}
}

// layout does what lays a file out for a reader, when its turn has come. The error
// is shelf.ErrBusy if the reader has too many that wait: a PDF takes seconds.
func (t *turns) layout(reader *readers.Reader, do func() ([]byte, error)) ([]byte, error) {
	name := apart("layouts", reader)
	if !t.enter(name) {
		return nil, shelf.ErrBusy
	}
	defer t.leave(name)
	t.layouts <- struct{}{}
	defer func() { <-t.layouts }()
	return do()
}

// apart names a reader whose turns of one kind do not count with the others: an
// export may take an hour. No name has a zero.
func apart(kind string, reader *readers.Reader) string {
	if reader.Name == "" {
		return ""
	}
	return kind + "\x00" + reader.Name
}
