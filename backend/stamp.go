package backend

import (
	"fmt"
	"hash"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// stamp sums up what the system says of files without reading them: names, sizes, times of change and inodes. Two equal
// stamps mean that nothing was changed in between, unless somebody took care to hide it. 0 is no stamp.
type stamp uint64

// Bounds of what a stamp looks at. A model has a handful of files; what lies deeper or beyond is not looked at, so that a
// folder mounted in the wrong place does not keep the node busy.
const (
	stampDepth   = 4
	stampEntries = 10_000
)

// stamper makes one stamp.
type stamper struct {
	sum     hash.Hash64
	entries int
}

func newStamper() *stamper { return &stamper{sum: fnv.New64a()} }

// stamp is what has been added so far.
func (s *stamper) stamp() stamp { return stamp(s.sum.Sum64() | 1) }

// add sums up what path is, under a name of its own, and what lies below it. Links are followed, since some deployments
// publish a new file by turning a link to it.
func (s *stamper) add(name, path string, depth int) {
	s.entries++
	if s.entries > stampEntries {
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		fmt.Fprintf(s.sum, "%s\x00%v\x00", name, bare(err))
		return
	}
	if !info.IsDir() {
		fmt.Fprintf(s.sum, "%s\x00%v\x00%d\x00%d\x00%d\x00", name, info.Mode().Type(), info.Size(), info.ModTime().UnixNano(), inode(info))
		return
	}
	fmt.Fprintf(s.sum, "%s\x00/\x00", name)
	if depth == 0 {
		return
	}
	entries, err := os.ReadDir(path) // sorted
	if err != nil {
		fmt.Fprintf(s.sum, "%v\x00", bare(err))
	}
	for _, entry := range entries {
		if !isScratch(entry) {
			s.add(name+"/"+entry.Name(), filepath.Join(path, entry.Name()), depth-1)
		}
	}
}

// isScratch reports whether an entry is what editors and file systems leave beside the files that matter.
func isScratch(entry fs.DirEntry) bool {
	name := entry.Name()
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#")
}
