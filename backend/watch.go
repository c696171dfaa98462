package backend

import (
	"context"
	"time"
)

// watcher loads what has changed in the repository since it last looked. It asks the file system every so often, which works
// on all of them, network file systems included.
//
// Copying a model takes a while. What has changed is loaded when two looks in a row have found it the same, so that a copy
// is not read before it has come to rest for that long.
type watcher struct {
	loader *loader
	seen   map[string]stamp // at the last look; 0 where there was no folder, nil before the first
	silent bool             // it has been said that the repository cannot be read
}

// watch looks every so often, until ctx ends.
func (l *loader) watch(ctx context.Context, every time.Duration) {
	w := &watcher{loader: l}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.ctx.Done():
			return
		case <-ticker.C:
			w.look()
		}
	}
}

// look starts the changes that are due. They go on by themselves: one that hangs keeps nobody else from being looked at.
func (w *watcher) look() {
	folders, err := w.loader.repository.scan()
	if err != nil {
		if !w.silent {
			w.loader.log.Error("cannot watch the model repository: what is loaded serves on", "reason", err)
		}
		w.silent = true
		return
	}
	w.silent = false
	found := map[string]stamp{}
	for i := range folders {
		f := &folders[i]
		found[f.name] = f.stamp()
		w.consider(f.name, found[f.name], f.empty)
	}
	for _, name := range w.loader.catalog.Load().names {
		if _, there := found[name]; !there {
			w.consider(name, 0, true)
		}
	}
	w.seen = found
}

// consider starts what is to happen to a model whose folder has come to rest in a state that has not been acted upon. nothing
// says that there is nothing to load in it.
func (w *watcher) consider(name string, now stamp, nothing bool) {
	l := w.loader
	if w.seen == nil || w.seen[name] != now {
		return // still changing
	}
	h, free := l.tryTake(name)
	if !free {
		return // at the next look
	}
	if h.fixed || h.handled == now {
		l.giveBack(h)
		return
	}
	what, text := l.load(source{}), "the folder of a model has changed"
	if nothing {
		what, text = l.remove, "a model has been taken out of the repository"
	}
	l.log.Info(text, "model", name)
	l.spawn(h, what)
}
