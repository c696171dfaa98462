package backend

import (
	"fmt"
	"time"

	"ganglion/backend/scheduler"
)

// timingName is the header by which a client asks to be told where the time went, with the value 1.
const timingName = "X-Ganglion-Timing"

// timingText is an answer's Server-Timing header: durations in milliseconds, as that header has them.
func timingText(t *scheduler.Timing) string {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf(`queue;dur=%.3f, input;dur=%.3f, infer;dur=%.3f, output;dur=%.3f, batch;desc="%d requests, %d rows"`,
		ms(t.Queue), ms(t.Input), ms(t.Infer), ms(t.Output), t.Requests, t.Rows)
}
