// Package onnx runs models on ONNX Runtime; it is the node's engine.
//
// It owns the library: the one environment a process may have, the device, sessions and every value that passes between
// Go and C. Sessions come from the onnxruntime_go binding; runs are made by a small C file of our own (ort.h says why).
// It refuses models it could not answer for: inputs or outputs that are no tensors, element types the protocol does not
// have, inputs of unknown rank.
//
// Concurrency: an Engine and its models are safe for concurrent use; an instance makes one run at a time. As many runs are made at a time as the engine has
// slots, one for each CPU by default; each holds an operating system thread. More wait, and stop waiting when their
// context ends.
package onnx
