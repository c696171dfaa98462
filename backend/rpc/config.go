package rpc

import (
	"crypto/tls"
	"math"
	"time"

	"ganglion/internal/conf"
)

// Config bounds what clients may ask of the server. The zero value is not usable: start from DefaultConfig.
type Config struct {
	TLS *tls.Config // with h2 as its protocol; nil = plain

	ID         string    // names the node in the metadata x-node-id of its answers; "" leaves it out
	MaxMessage conf.Size // largest request, inflated; answers are bounded by what the node lets a model put out

	MaxRequests conf.Size // of all inference requests being worked on, together
	MaxAnswers  conf.Size // of all answers that have not been read yet, together

	MaxConnections int    // open at once
	MaxStreams     uint32 // calls under way at once on one connection

	CallTimeout  time.Duration // of ModelInfer, from its headers to its answer, the time the message takes to arrive included
	IdleTimeout  time.Duration // of a connection without a call
	PingEvery    time.Duration // between two pings of a client; one that pings more often is told off
	DrainTimeout time.Duration // for calls in flight at shutdown
}

// DefaultConfig returns a Config for a node that clients or a handful of gateways talk to.
func DefaultConfig() Config {
	return Config{
		MaxMessage:  64 * conf.MiB,  // as REST's request bodies
		MaxRequests: 512 * conf.MiB, // eight of the largest, as REST's
		MaxAnswers:  512 * conf.MiB, // as many

		// Clients put all their calls on one connection, gateways on a few: 512 is a hundred gateways with five each. Both
		// numbers together are 65,536 calls, whose goroutines take less than 1 GiB.
		MaxConnections: 512,
		MaxStreams:     128, // twice what a batch takes; further calls wait in the client, which knows the number

		CallTimeout: 2 * time.Minute, // the node's own minute, and one for 64 MiB to arrive at 9 Mbit/s

		IdleTimeout: 5 * time.Minute, // a client comes back by itself; what it costs is one handshake
		// grpc's own 5 minutes end connections of clients that ping as their documentation suggests, every 10 s or so. A ping
		// costs no more than reading it.
		PingEvery:    time.Second,
		DrainTimeout: 20 * time.Second, // as REST's: less than the 30 s that Kubernetes waits before it kills
	}
}

// maxAnswer is no bound: the node bounds answers itself, and knows the reason to give.
const maxAnswer = math.MaxInt32
