// Package oip is the Open Inference Protocol version 2 as bytes: its types, its JSON and binary codec, its URL paths, and
// the older KServe v1 predict form.
//
// It owns what a request or an answer looks like on the wire and nothing else: no sockets, no models, no routing. Tensors
// are held in one layout whatever form they arrived in (see [Tensor]), so that whoever stands behind the codec never asks
// whether a client spoke JSON or binary.
//
// It refuses rather than guesses. Input is read by a scanner of its own that accepts exactly RFC 8259, no deeper than
// maxDepth, and turns away duplicate members, numbers outside a datatype's range, shapes that disagree with their data,
// and trailing bytes. Nothing is allocated from a number a client sent before that number was held against the bytes
// really present. Every refusal is an [*Error] whose text names the tensor, what was found and what is accepted.
//
// Concurrency: functions are safe for concurrent use; values are not. An [InferRequest] or [InferResponse] belongs to one
// goroutine at a time and may be decoded into again and again, which reuses its memory. The package starts no goroutines
// and keeps no state.
package oip
