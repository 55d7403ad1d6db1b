package namespace

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts a program inside a namespace, or in the lab's own network if
// that is nil. The channel gives the result of its Wait. The program is killed
// when the lab ends, however that ends.
//
// Each program has a thread of its own for as long as it runs: the kernel's
// parent-death signal watches the thread that started a process, not its
// program, and in a user namespace no thread finds back out of the namespace
// that it entered.
func Start(cmd *exec.Cmd, in *Namespace) (<-chan error, error) {
	// A group of its own keeps Ctrl-C on the terminal from a program that the
	// lab wants to stop in its turn.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the runtime ends the thread
		err := prepare(in)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return ended, <-started
}

// prepare makes the calling thread what a program is to inherit: its namespace,
// and no real-time priority, because a program that spins would keep the
// kernel's own threads from their work. A program in a namespace stands for a
// machine of its own, so it goes before the other work of this one, where that
// is allowed.
func prepare(n *Namespace) error {
	if err := calm(); err != nil || n == nil {
		return err
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, nice) // of this thread; refused without privilege
	if err := unix.Setns(int(n.ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	return nil
}

// nice gives a thread ten times the share of an ordinary one.
const nice = -10
