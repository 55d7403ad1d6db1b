package serve

import (
	"net/http"
	"sync"

	"github.com/fibergauge/fibergauge/analyzer/readers"
)

// Bounds on what is read or laid out at once; reports have those of package
// shelf.
const (
	turnsAtOnce   = 4
	turnsOfEach   = 2
	layoutsAtOnce = 2
)

// turns are answers that read much of the store. A reader has some at a time, so
// that none keeps the others from theirs.
type turns struct {
	all     chan struct{}
	layouts chan struct{} // files that are being laid out

	mu   sync.Mutex     // protects each
	each map[string]int // by the name of the reader
}

func newTurns() *turns {
	return &turns{all: make(chan struct{}, turnsAtOnce), layouts: make(chan struct{}, layoutsAtOnce), each: map[string]int{}}
}

// take waits for a turn; what it gives has to be called after it. It gives nil if
// the reader has too many, who is told so, or is gone. Whoever has no name always
// may: on loopback nobody has one.
func (t *turns) take(w http.ResponseWriter, r *http.Request, reader *readers.Reader) (done func()) {
	if !t.enter(reader.Name) {
		busy(w)
		return nil
	}
	select {
	case t.all <- struct{}{}:
		return func() {
			<-t.all
			t.leave(reader.Name)
		}
	case <-r.Context().Done():
		t.leave(reader.Name)
		return nil
	}
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

// layout does what lays a file out, when its turn has come.
func (t *turns) layout(do func() ([]byte, error)) ([]byte, error) {
	t.layouts <- struct{}{}
	defer func() { <-t.layouts }()
	return do()
}
