package namespace

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Hurry gives every thread of the lab real-time priority, where that is
// allowed, so that none that holds a lock of the Go runtime is kept from a
// processor while the emulator waits for the lock. Threads made later inherit
// it; programs do not.
func Hurry() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // then it is not real-time, which the emulator's lateness tells
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			_ = schedule(tid, unix.SCHED_RR, 1) // refused without privilege: as above
		}
	}
}

// calm takes the calling thread's real-time priority away, if it has it.
func calm() error {
	now, err := unix.SchedGetAttr(0, 0)
	if err == nil && now.Policy == unix.SCHED_RR {
		err = schedule(0, unix.SCHED_NORMAL, 0)
	}
	if err != nil {
		return fmt.Errorf("take the real-time priority away: %w", err)
	}
	return nil
}

func schedule(tid int, policy, priority uint32) error {
	return unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: priority}, 0)
}
