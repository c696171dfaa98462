package backend

import "ganglion/backend/modelconf"

// presented is how a version appears to clients, as far as its configuration has a say in it.
type presented struct {
	view       view       // of the inputs
	outputView view       // of the outputs
	labels     [][]string // parallel to outputs: what the places of the last dimension stand for; nil where nobody says
	batch      int        // rows that one run takes, 0 for a model that does not batch
	shows      []string   // names of the outputs that clients see, nil for all
}

// present holds the model against its configuration, and settles what of it clients see.
func (in *instance) present() (err error) {
	c := &in.config
	if in.view, err = inputView(c, in.model.Inputs()); err != nil {
		return err
	}
	if in.outputView, err = outputView(c, in.model.Outputs(), in.view.batched); err != nil {
		return err
	}
	in.inputs, in.outputs = in.view.clients, in.outputView.clients
	if len(in.outputs) < len(in.model.Outputs()) {
		for _, t := range in.outputs {
			in.shows = append(in.shows, t.Name)
		}
	}
	// In Triton's configuration no max_batch_size is one of 0, but a shape without a batch says what is meant.
	if batched := in.outputView.batched; c.Source != modelconf.TOMLFile && c.MaxBatchSize == findOut && batched != nil && !*batched {
		c.MaxBatchSize = 0
	}
	return nil
}

// offered are the outputs to ask the engine for: those that the client names, or else all that it sees.
func (in *instance) offered(wanted []string) []string {
	if len(wanted) > 0 || in.shows == nil {
		return wanted
	}
	return append(wanted, in.shows...)
}
