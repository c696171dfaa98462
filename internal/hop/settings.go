package hop

import (
	"encoding/binary"
	"math"
)

// settings is what one side tells the other, once, in its first frame. What is left out has the value of defaultSettings.
type settings struct {
	maxChunk   int64 // largest payload of a chunk frame that it takes
	maxStreams int64 // exchanges that it serves at once
	window     int64 // bytes of a body that it takes before it grants more
	maxBody    int64 // largest body that it takes
	chunkSums  int64 // 0: it does not look at the checksums of chunks
	loads      int64 // loads a second that it wants to be told without an answer; 0: none
	conditions int64 // 1: it looks at the conditions of requests
}

const (
	settingMaxChunk   = 1
	settingMaxStreams = 2
	settingWindow     = 3
	settingMaxBody    = 4
	settingChunkSums  = 5
	settingLoads      = 6
	settingConditions = 7

	settingSize = 10 // u16 id, u64 value

	minChunk  = 4 << 10   // below that the headers would be more than half a percent of a body
	minWindow = 64 << 10  // a body that travels with its head never waits for a grant
	maxLoads  = 1 << 20   // nobody can use more
	maxWindow = 1<<31 - 1 // so that sums of windows cannot overflow anything
)

// defaultSettings is what a peer has that says nothing.
func defaultSettings() settings {
	return settings{maxChunk: 64 << 10, maxStreams: 128, window: minWindow, maxBody: math.MaxInt64, chunkSums: 1}
}

// settingsFrame is the first frame of a connection.
func settingsFrame(s settings) []byte {
	dst := openFrame(nil)
	for _, pair := range [...]struct {
		id    uint16
		value int64
	}{
		{settingMaxChunk, s.maxChunk},
		{settingMaxStreams, s.maxStreams},
		{settingWindow, s.window},
		{settingMaxBody, s.maxBody},
		{settingChunkSums, s.chunkSums},
		{settingLoads, s.loads},
		{settingConditions, s.conditions},
	} {
		if pair.id >= settingLoads && pair.value == 0 {
			continue // as it is when absent
		}
		dst = binary.LittleEndian.AppendUint16(dst, pair.id)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(pair.value))
	}
	sealFrame(dst, 0, kindSettings, 0, 0)
	return dst
}

// parseSettings decodes a settings payload. Unknown settings are skipped: they are how a later revision speaks to this one.
func parseSettings(payload []byte) (settings, error) {
	s := defaultSettings()
	if len(payload)%settingSize != 0 || len(payload) > maxControl {
		return s, violation("settings frame of %d bytes, want pairs of %d", len(payload), settingSize)
	}
	last := -1
	for ; len(payload) > 0; payload = payload[settingSize:] {
		id, value := binary.LittleEndian.Uint16(payload), binary.LittleEndian.Uint64(payload[2:])
		if int(id) <= last {
			return s, violation("settings are not in rising order: %d after %d", id, last)
		}
		last = int(id)
		var err error
		switch id {
		case settingMaxChunk:
			s.maxChunk, err = settingWithin("chunk size", value, minChunk, math.MaxUint32)
		case settingMaxStreams:
			s.maxStreams, err = settingWithin("number of streams", value, 1, math.MaxUint32)
		case settingWindow:
			s.window, err = settingWithin("window", value, minWindow, maxWindow)
		case settingMaxBody:
			s.maxBody, err = settingWithin("body size", value, 0, math.MaxInt64)
		case settingChunkSums:
			s.chunkSums, err = settingWithin("need of chunk checksums", value, 0, 1)
		case settingLoads:
			s.loads, err = settingWithin("number of loads", value, 0, maxLoads)
		case settingConditions:
			s.conditions, err = settingWithin("taking of conditions", value, 0, 1)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// settingWithin refuses values that no sane peer announces.
func settingWithin(name string, value uint64, low, high int64) (int64, error) {
	if value < uint64(low) || value > uint64(high) {
		return 0, violation("%s of %d, accepted are %d to %d", name, value, low, high)
	}
	return int64(value), nil
}
