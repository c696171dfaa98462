// Package rpc is the gRPC face of the edge: it takes the protocol's gRPC calls from clients and gives each to the gateway
// as the exchange that the same question over REST would be.
//
// It owns what is gRPC's: the server and its limits, the codec, which hands over messages as they came, health, reflection,
// the order of answers on a stream, status codes, and the drain. It refuses to know routes, nodes, caches and retries: the
// gateway hands in an [Edge], and what that answers, an HTTP status and a body, is put into gRPC's words here. Tensors are
// never decoded: of a ModelInferRequest only the names are read, and both it and its answer pass as bytes.
//
// One file answers one question; in the order in which a call meets them: server.go (what is served, within which limits),
// record.go (when does a call begin and end), codec.go (how do bytes become a message), bodies.go (is there room for it),
// infer.go, stream.go, calls.go and repository.go (what does a call ask), edge.go (who answers it), status.go (what is the
// client told), health.go. The codec, json.go and HTTPStatus also serve the gateway's way to nodes that speak gRPC.
//
// Concurrency: every call runs on a goroutine of its own. A stream has a receiver beside its handler and one goroutine for
// each message being answered; Run waits for all of them.
package rpc
