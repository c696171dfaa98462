package backend

import "context"

// close answers what is queued, stops what runs, and frees the model. Nobody is left to read the answers.
func (in *instance) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	// Close reports that it had to give up on requests, which is what was asked for.
	_ = in.scheduler.Close(now)
	return in.model.Close()
}
