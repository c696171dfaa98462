//go:build !linux

package gateway

import "syscall"

// boundSilence: other systems have no such option, and go without.
func boundSilence(_, _ string, _ syscall.RawConn) error { return nil }
