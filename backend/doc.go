// Package backend is a node: it loads a model repository into an engine and answers the Open Inference Protocol for it.
//
// It owns the repository (which folders are models, what their configuration says), the loading of versions and what is
// known of each, the conversion of text to byte rows, and the REST surface, whether HTTP or the hop carries it; gRPC stands
// on the same exported calls. It refuses to know how a model is run: that is the [Engine]'s, handed in by the program. It
// refuses paths, sizes and shapes that a client could use to reach outside the repository or to take the machine's memory,
// before it acts on them.
//
// Concurrency: requests read an immutable snapshot of what is loaded, and count themselves in and out of the instance that
// serves them. Changes of one model (load, unload, reload) are made one after the other, those of different models side by
// side; each publishes the next snapshot, and closes what it has replaced when the last request has left it.
package backend
