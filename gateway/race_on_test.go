//go:build race

package gateway

// raceEnabled says that the race detector is on: it allocates, and slows down.
const raceEnabled = true
