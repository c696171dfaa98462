//go:build !linux

package stack

import "syscall"

// childAttributes make a child lead a group of its own, out of the terminal's reach: Ctrl-C is ours to pass on, in order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
