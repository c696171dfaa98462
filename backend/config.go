package backend

import (
	"crypto/tls"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/httpserver"
)

// Config says what a node serves and within which bounds. The zero value is not usable: start from DefaultConfig.
type Config struct {
	Models  string // folder of the model repository
	ID      string // names the node in logs, metrics and the X-Node-Id header of its answers; "" leaves it out
	Version string // of the program, shown in the server's metadata

	// Timeout bounds one inference, its wait for a free slot included. A run that takes longer is stopped.
	Timeout time.Duration

	// Watch is how often the node looks for changes in the model repository; 0 never does.
	Watch time.Duration

	// Control is what requests may do to the models.
	Control Control

	// PathPrefix is what paths may have in front, as in "/serving/v2/models/M"; "" is nothing. Without it they are answered too:
	// gateways and probes need not know of it. It begins with a slash and does not end with one.
	PathPrefix string

	MaxOutput conf.Size // outputs of one inference, together
	HTTP      httpserver.Config

	// TLS is what is spoken below HTTP and the hop; nil speaks none.
	TLS *tls.Config

	// Devices watches what the engine runs on; nil watches nothing. Server.Run runs it.
	Devices Devices
}

// DefaultConfig returns a Config that lacks only Models.
func DefaultConfig() Config {
	c := Config{
		Timeout:   time.Minute,   // what tritonclient waits by default: nobody listens after that
		Control:   ControlOn,     // what Triton's clients count on; who reaches a node is its network's choice
		MaxOutput: 64 * conf.MiB, // as large as a request body may be by default
	}
	c.HTTP.SetDefaults()
	return c
}
