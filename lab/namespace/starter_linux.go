package namespace

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Starter starts programs that end with the lab, however it ends. All of them
// are started by one thread, because the kernel's parent-death signal watches
// the thread that started a process, not its program.
type Starter struct {
	orders chan order
	done   chan struct{}
}

type order struct {
	cmd    *exec.Cmd
	in     *Namespace
	result chan error
}

// NewStarter makes a starter. It must be closed only after the programs that
// it started have ended, because they end with its thread.
func NewStarter() *Starter {
	s := &Starter{orders: make(chan order), done: make(chan struct{})}
	go s.serve()
	return s
}

func (s *Starter) serve() {
	runtime.LockOSThread() // and never unlocked: the thread may have changed its namespace
	defer close(s.done)
	home, err := os.Open("/proc/thread-self/ns/net")
	for o := range s.orders {
		if err != nil {
			o.result <- fmt.Errorf("open the lab's own network namespace: %w", err)
			continue
		}
		o.result <- start(o, home)
	}
	if err == nil {
		err = home.Close() // only read from: nothing to lose
	}
}

func start(o order, home *os.File) error {
	// A group of its own keeps Ctrl-C on the terminal from a program that the
	// lab wants to stop in its turn.
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if o.in == nil {
		return o.cmd.Start()
	}
	if err := unix.Setns(int(o.in.ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	err := o.cmd.Start()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		// Every later program would run in a stranger's network.
		panic(fmt.Sprintf("namespace: return to the lab's own network: %v", back))
	}
	return err
}

// Start starts a program inside a namespace, or in the lab's own network if
// that is nil.
func (s *Starter) Start(cmd *exec.Cmd, in *Namespace) error {
	result := make(chan error)
	s.orders <- order{cmd, in, result}
	return <-result
}

// Close ends the starter's thread, and with it what still runs.
func (s *Starter) Close() {
	close(s.orders)
	<-s.done
}
