//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolationVar tells the program that it runs in a network namespace of its own, or why not.
const isolationVar = "GANGLION_FAULTS_ISOLATED"

// isolated runs this program again, in a network namespace of its own, and returns its exit status. The status is -1 when
// this is that run, or when the system makes no namespaces: faults of packets are left out then.
func isolated(ctx context.Context) (int, error) {
	if os.Getenv(isolationVar) != "" {
		return -1, nil
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), isolationVar+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 { // as root of a user namespace, which many systems let anybody be
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return -1, os.Setenv(isolationVar, err.Error())
	}
	err := cmd.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return max(cmd.ProcessState.ExitCode(), 1), nil // it has said why
	}
	return 0, err
}

// raiseLoopback brings up the loopback of the namespace. The error says why there is none.
func raiseLoopback() error {
	if why := os.Getenv(isolationVar); why != "yes" {
		return fmt.Errorf("no network namespace: %s", why)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
