package namespace

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideEnv marks the lab's second self, which runs in a user namespace.
const insideEnv = "FIBERGAUGE_LAB_INSIDE"

// mountsEnv marks a second self that has its mounts for itself.
const mountsEnv = "FIBERGAUGE_LAB_MOUNTS"

// Privilege says what lets the lab make namespaces.
type Privilege string

// Ways to be allowed.
const (
	Root          Privilege = "root"           // or its capabilities
	UserNamespace Privilege = "user namespace" // the lab starts itself anew in one
)

// ErrForbidden means that this machine does not let the lab make namespaces.
// Its text says what would.
var ErrForbidden = errors.New("run needs root on Linux, or unprivileged user namespaces and write access to /dev/net/tun; check, the probe, the collector and the analyzer work without")

// Check finds out, by making one namespace and letting it go, what lets the
// lab work here. Its error is ErrForbidden with the reason.
func Check() (Privilege, error) {
	n, err := Open(netip.AddrFrom4([4]byte{192, 0, 2, 1}))
	if err == nil {
		if os.Getenv(insideEnv) != "" {
			return UserNamespace, n.Close()
		}
		return Root, n.Close()
	}
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) || os.Getenv(insideEnv) != "" {
		return "", fmt.Errorf("%w (%w)", ErrForbidden, err)
	}
	// Opening the device needs no capability, only the file's permissions.
	tun, openErr := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if openErr != nil {
		return "", fmt.Errorf("%w (open /dev/net/tun: %w)", ErrForbidden, openErr)
	}
	if err := unix.Close(tun); err != nil {
		return "", fmt.Errorf("close /dev/net/tun: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", "--version")
	cmd.SysProcAttr = userNamespace()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w (make a user namespace: %w)", ErrForbidden, err)
	}
	return UserNamespace, nil
}

// Inside tells whether this process is the lab's second self.
func Inside() bool { return os.Getenv(insideEnv) != "" }

// Reexec runs this program with the same arguments in a user namespace where
// it is root, passes the signals from stop on to it, and gives its exit status.
func Reexec(stop <-chan struct{}) (int, error) {
	return again(stop, userNamespace(), insideEnv)
}

// OwnMounts tells whether this process is one that ReexecOwnMounts started.
func OwnMounts() bool { return os.Getenv(mountsEnv) != "" }

// ReexecOwnMounts is Reexec into a mount namespace too: what is mounted there is
// seen by nobody else, and gone with the last process in it.
func ReexecOwnMounts(how Privilege, stop <-chan struct{}) (int, error) {
	attr, marks := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}, []string{mountsEnv}
	if how == UserNamespace {
		attr, marks = userNamespace(), []string{mountsEnv, insideEnv}
	}
	attr.Unshareflags = syscall.CLONE_NEWNS
	return again(stop, attr, marks...)
}

// again runs this program as attr says, with variables that mark it.
func again(stop <-chan struct{}, attr *syscall.SysProcAttr, marks ...string) (int, error) {
	// The thread that starts it is watched for its death signal.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for _, mark := range marks {
		cmd.Env = append(cmd.Env, mark+"=yes")
	}
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("%w (start anew in namespaces: %w)", ErrForbidden, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-stop:
		if sigErr := cmd.Process.Signal(syscall.SIGTERM); sigErr != nil && !errors.Is(sigErr, os.ErrProcessDone) {
			return 0, fmt.Errorf("stop the lab in its namespaces: %w", sigErr)
		}
		err = <-ended
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("run the lab in its namespaces: %w", err)
	}
	return cmd.ProcessState.ExitCode(), nil
}

func userNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
		Setpgid:     true,
	}
}
