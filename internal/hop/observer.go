package hop

import "time"

// Observer hears what a connection learns of its node beside answers. Its functions are called one at a time, by the goroutine
// that runs Run, and must be quick: nothing is read meanwhile. Each may be nil.
type Observer struct {
	// Suspect hears that the node gives no sign of life: exchanges wait, a ping was not answered, nothing was read for so long.
	// It is called again at every look while that lasts. True gives the exchanges back to their callers, with CodeSuspect,
	// and lets no new ones in, but for patient ones; false lets all of them wait. Without Suspect nothing is ever suspected.
	Suspect func(silent time.Duration) (release bool)
	// Trust hears that a suspected node has spoken after so long a silence. Exchanges are let in again.
	Trust func(silent time.Duration)
	// Load hears a load that came without an answer, and how many of the requests in it came by this connection.
	Load func(l Load, own uint32)
	// Goaway hears that the node takes no more exchanges on this connection because it drains. The text is for a log.
	Goaway func(text string)
}

// Observe says who is to hear what the connection learns. It comes before Run, once.
func (c *Conn) Observe(o Observer) { c.observer = o }
