// Package rollout decides which variant of a route gets a request, and gives shadows their copies.
//
// It owns the split of a route's traffic (split.go), the override by header (choice.go), and the queue of copies that
// are sent to a shadow after the client was answered (mirror.go). It refuses to know how a copy travels or what an
// answer means: sending is a function handed in. Nothing it does can delay or change what a client gets: a copy that
// finds no room is dropped and counted.
//
// Concurrency: everything is safe for concurrent use; a [Mirror] has goroutines only while its Run runs.
package rollout
