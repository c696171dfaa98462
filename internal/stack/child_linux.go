package stack

import "syscall"

// childAttributes make a child lead a group of its own, out of the terminal's reach (Ctrl-C is ours to pass on, in
// order), and have the kernel kill it when we die. The kernel watches the thread that started the child, not the whole
// process; Go ends a thread only when a goroutine locked to it returns, which none of ours does.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
