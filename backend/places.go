package backend

import (
	"context"
	"sync"
	"time"
)

// loadsAtOnce is how many versions are opened side by side. Opening one takes a core for a while and up to twice the size of
// its file in memory: two keep each other's waiting for the disk busy, more would mostly add to the peak.
const loadsAtOnce = 2

// loadPatience is how long a load keeps others waiting. Most take seconds. One that takes longer (a GPU engine being built, a
// file on a server that does not answer) goes on, and somebody else may begin: nothing that hangs blocks the rest.
const loadPatience = 30 * time.Second

// places bound how many versions are opened at once.
type places struct {
	taken    chan struct{}
	patience time.Duration
}

func newPlaces() places { return places{make(chan struct{}, loadsAtOnce), loadPatience} }

// take waits for a place. The function it returns is to be called when the load is over.
func (p places) take(ctx context.Context) (func(), error) {
	select {
	case p.taken <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave := sync.OnceFunc(func() { <-p.taken })
	late := time.AfterFunc(p.patience, leave)
	return func() {
		late.Stop()
		leave()
	}, nil
}
