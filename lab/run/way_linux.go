package run

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
)

// passage is what a way does with what comes along.
type passage int

const (
	open   passage = iota
	closed         // connections break at once
	silent         // nothing passes, nothing breaks
	deaf           // what goes to the collector passes, what comes from it does not
)

// way is the way of one probe to the collector: a Unix socket that the lab
// stands behind, and passes bytes on from, as long as nothing is wrong.
type way struct {
	listener net.Listener
	dial     func() (net.Conn, error)

	mu      sync.Mutex // protects all following fields
	state   passage
	changed *sync.Cond
	conns   map[net.Conn]bool
}

// openWay makes the way SITE in the folder of ways. A path by descriptor is
// short, however long that of the folder is.
func openWay(f folder, site string) (*way, error) {
	dir, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("make the way of %s: %w", site, err)
	}
	// The descriptor is kept as long as the way.
	short := fmt.Sprintf("/proc/self/fd/%d/", dir.Fd())
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "unix", short+waySocket(site))
	if err != nil {
		dir.Close() // only read
		return nil, fmt.Errorf("make the way of %s: %w", site, err)
	}
	w := &way{listener: listener, conns: map[net.Conn]bool{}, dial: func() (net.Conn, error) {
		_ = dir.Name() // keeps it from being collected
		return net.Dial("unix", short+socket)
	}}
	w.changed = sync.NewCond(&w.mu)
	go w.accept()
	return w, nil
}

func waySocket(site string) string { return "ways/" + site + ".sock" }

func (w *way) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return // it was closed
		}
		go w.join(near)
	}
}

// join carries one connection to the collector and back.
func (w *way) join(near net.Conn) {
	if !w.hold(near) {
		return
	}
	defer w.drop(near)
	if !w.wait(func(p passage) bool { return p != silent }) {
		return
	}
	far, err := w.dial()
	if err != nil {
		return // the collector is away
	}
	if !w.hold(far) {
		return
	}
	defer w.drop(far)
	done := make(chan struct{}, 2)
	pump := func(from, to net.Conn, mayPass func(passage) bool) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				if !w.wait(mayPass) {
					return
				}
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	go pump(near, far, func(p passage) bool { return p != silent })
	go pump(far, near, func(p passage) bool { return p != silent && p != deaf })
	<-done // either end: the other follows when both are closed
}

// hold notes an open connection, or closes it where none may be.
func (w *way) hold(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == closed {
		c.Close() // that is the fault
		return false
	}
	w.conns[c] = true
	return true
}

func (w *way) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	c.Close() // nothing more is wanted of it
}

// wait waits until the way lets something pass. What had to wait does not pass
// afterwards: its connection breaks when the way is open again.
func (w *way) wait(mayPass func(passage) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	waited := false
	for w.state != closed && !mayPass(w.state) {
		waited = true
		w.changed.Wait()
	}
	return w.state != closed && !waited
}

// set changes what the way does. Whatever is under way breaks when the way is
// closed, and when it opens again.
func (w *way) set(state passage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = state
	if state == closed || state == open {
		for c := range w.conns {
			c.Close() // whoever uses it hears of it
		}
	}
	w.changed.Broadcast()
}

func (w *way) close() error {
	w.set(closed)
	return w.listener.Close()
}
