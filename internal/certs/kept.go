package certs

import (
	"log/slog"
	"os"
	"sync"
	"time"
)

// kept is the material of files, as of now.
type kept struct {
	files files
	log   *slog.Logger

	mu   sync.Mutex
	seen [3]os.FileInfo // when they were last read, with or without success; nil = cannot be looked at
	held material
}

// keep reads the files for the first time, which has to succeed.
func keep(f files, log *slog.Logger) (*kept, error) {
	k := &kept{files: f, log: log, seen: f.look()}
	var faults []*FileError
	if k.held, faults = f.load(); len(faults) > 0 {
		return nil, faults[0]
	}
	if doubt := k.held.doubt(time.Now()); doubt != "" {
		log.Warn(doubt, "file", f.cert)
	}
	return k, nil
}

// current returns what the files hold, after reading them again if they have changed. Files that are at fault, such as
// a new certificate whose key is still being written, leave what was there in use; they are tried again at their next
// change. Looking takes three calls of stat, 4 µs
// beside the 350 µs of the handshake that wants to know.
func (k *kept) current() material {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Looked at before they are read: a change in between is found the next time.
	now := k.files.look()
	if same(now, k.seen) {
		return k.held
	}
	k.seen = now
	fresh, faults := k.files.load()
	if len(faults) > 0 {
		k.log.Warn("certificate files have changed and cannot be used; the old ones stay in use", "error", faults[0])
		return k.held
	}
	k.held = fresh
	k.log.Info("certificate files have changed and were read again", "cert", k.files.cert, "ca", k.files.ca)
	if doubt := fresh.doubt(time.Now()); doubt != "" {
		k.log.Warn(doubt, "file", k.files.cert)
	}
	return k.held
}

func (f files) look() (infos [3]os.FileInfo) {
	for i, path := range []string{f.cert, f.key, f.ca} {
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			infos[i] = info
		}
	}
	return infos
}

// same compares files and not only times: those of Kubernetes are links that come to point elsewhere.
func same(a, b [3]os.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil, b[i] == nil, !os.SameFile(a[i], b[i]), a[i].Size() != b[i].Size(), !a[i].ModTime().Equal(b[i].ModTime()):
			return false
		}
	}
	return true
}
