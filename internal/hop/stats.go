package hop

import "time"

// Stats is what one end of a connection has done.
type Stats struct {
	Open          int // exchanges open now
	FramesSent    uint64
	Writes        uint64 // batches of them that were handed to the kernel
	BytesSent     uint64
	Reads         uint64
	BytesReceived uint64
	RoundTrip     time.Duration // of the last ping; zero while none was needed
	Suspect       bool          // client: the node gives no sign of life now
	Suspicions    uint64        // client: how often that began
}

// stats collects them. With the lock held.
func (c *link) stats() Stats {
	return Stats{
		Open:       c.streams.used,
		FramesSent: c.w.frames, Writes: c.w.writes, BytesSent: c.w.sent,
		Reads: c.r.reads.Load(), BytesReceived: c.r.bytes.Load(),
		RoundTrip: c.trip,
	}
}
