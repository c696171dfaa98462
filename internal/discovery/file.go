package discovery

import (
	"context"
	"io"
	"os"
	"time"
)

// maxFile bounds a file of addresses: 100 bytes, comments included, for each node that there may be.
const maxFile = 100 * maxNodes

// settle is how old a file must have been when it was read for its time to tell whether it has changed since: clocks of file
// systems tick every few milliseconds, every second on some and every two on FAT.
const settle = 2 * time.Second

// confirm lies between the two looks that a new list takes: longer than a program pauses between two writes, and nothing
// to somebody who waits for a node to get traffic.
const confirm = 200 * time.Millisecond

// fileSource is a file of addresses that is looked at again and again.
//
// Looking is a stat, which every file system answers, whether it is on the network, in memory or put together of several, and
// however the file is replaced: by a rename, by the link of a folder above it (as Kubernetes does) or in place. Notices of the
// kernel know none of these for certain.
//
// A file may be seen half written, which cannot always be told from its contents: "10.0.0.1:90" is an address too. So it is
// taken when two looks, confirm apart, have seen the same. That a file was renamed into place, complete, is no reason to
// be quicker: editors rename the old one away and write the new one in place, which looks alike.
type fileSource struct {
	path     string
	protocol string
	now      func() time.Time

	seen    os.FileInfo // when the file was read last; nil = never
	certain bool        // an unchanged stat means an unchanged file
	src     []byte      // what it held then
	taken   bool        // which is what look has returned
	failure error       // or this
}

// String implements source.
func (s *fileSource) String() string { return "file " + s.path }

// look implements source.
func (s *fileSource) look(context.Context) (found, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		s.seen, s.src, s.taken, s.failure = nil, nil, false, nil
		return found{}, s.unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return found{}, failf(Unreadable, "%s is not a file", s.path)
	}
	if s.taken && s.certain && sameStat(s.seen, info) {
		return found{same: true}, s.failure
	}
	before, held := s.seen, s.src
	if err := s.read(); err != nil {
		return found{}, err
	}
	switch same := before != nil && string(held) == string(s.src); {
	case !same:
		s.taken = false
		return found{same: true, again: confirm}, nil
	case s.taken:
		return found{same: true}, s.failure
	default:
		s.taken = true
		return s.parse()
	}
}

// read notes what it has read, and how the file was then.
func (s *fileSource) read() error {
	f, err := os.Open(s.path)
	if err != nil {
		return s.unreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s.unreadable(err)
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return s.unreadable(err)
	}
	if len(src) > maxFile {
		return failf(TooMany, "%s is larger than %d bytes, which is enough for %d nodes", s.path, maxFile, maxNodes)
	}
	s.certain = s.now().Sub(info.ModTime()) > settle
	s.seen, s.src = info, src
	return nil
}

func (s *fileSource) parse() (found, error) {
	nodes, err := Parse(s.path, s.src)
	if s.failure = err; err != nil {
		return found{}, err
	}
	for i := range nodes {
		if nodes[i].Protocol == "" {
			nodes[i].Protocol = s.protocol
		}
	}
	return found{nodes: nodes}, nil
}

func (s *fileSource) unreadable(err error) error {
	if os.IsNotExist(err) {
		return failf(NotFound, "%s does not exist", s.path)
	}
	return failf(Unreadable, "cannot read %s: %v", s.path, reason(err))
}

func sameStat(a, b os.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
