// Package rpcwire is what the gRPC servers of node and gateway share beyond the generated stubs: the way between
// internal/oip's types and the generated messages for all calls but inferences, the codec that leaves inferences as bytes
// to internal/oip, and the compressors that clients use.
//
// It serves nothing and decides nothing. Importing it registers the compressors gzip and deflate with grpc, for servers and
// clients of the whole program.
//
// Concurrency: functions without state; what they return is the caller's, but for byte slices, which alias the argument. A
// Message is for one goroutine at a time.
package rpcwire
