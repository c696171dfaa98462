//go:build unix

package backend

import (
	"io/fs"
	"syscall"
)

// inode tells a file from another one that was moved into its place with the same size and time.
func inode(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino) //nolint:unconvert // it is narrower on some systems
	}
	return 0
}
