package onnx

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// TestNothingLeaks makes so many runs of each kind that a leak of a single value, some 200 bytes at the least, in any of
// them would show: runs that succeed and that fail, with outputs in our memory and in the runtime's, with strings, with
// wrong predictions, and stopped ones.
func TestNothingLeaks(t *testing.T) {
	if resident(t) == 0 {
		t.Skip("this system does not tell how much memory a process has")
	}
	e := start(t, Config{})
	identity := load(t, e, onnxtest.Write(t, onnxtest.Identity(onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2))), testLimit)
	fill := load(t, e, onnxtest.Write(t, onnxtest.Fill(1)), 4000)
	text := load(t, e, onnxtest.Write(t, onnxtest.Identity(onnxfile.String, onnxtest.Batch())), testLimit)
	sum := load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	kinds := []struct {
		name   string
		model  *model
		ctx    context.Context
		inputs []oip.Tensor
		works  bool
	}{
		{"our memory", identity, t.Context(), []oip.Tensor{zeros("x", 4, 2)}, true},
		{"wrong size", identity, t.Context(), []oip.Tensor{zeros("x", 4, 3)}, false},
		{"the runtime's memory", fill, t.Context(), []oip.Tensor{size(100)}, true},
		{"over the limit", fill, t.Context(), []oip.Tensor{size(2000)}, false},
		{"a failing operator", fill, t.Context(), []oip.Tensor{size(-1)}, false},
		{"strings", text, t.Context(), []oip.Tensor{texts("x", []int64{2}, "short", strings.Repeat("long", 50))}, true},
		{"wrong prediction that fails", sum, t.Context(), []oip.Tensor{zeros("a", 2, 3), zeros("b", 2, 4)}, false},
		{"ended before", sum, ended, []oip.Tensor{zeros("a", 2, 3), zeros("b", 2, 3)}, false},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			times := 5000
			if !k.works {
				times = 1000 // the runtime throws exceptions, which take it up to a millisecond
			}
			runner, results := k.model.runnerOn(k.model.sessions[0]), scheduler.NewResults(nil)
			round := func() int {
				before := resident(t)
				for range times {
					results.Reset()
					if err := runner.Run(k.ctx, k.inputs, nil, results); (err == nil) != k.works {
						t.Fatalf("got error %v", err)
					}
				}
				return resident(t) - before
			}
			// Memory goes up and down by itself, and the allocator's heaps settle only after many exceptions; what leaks goes
			// up in every round.
			least := round()
			for range 30 {
				if least = min(least, round()); least < 64*times {
					return
				}
			}
			t.Errorf("%d runs took %d bytes for good, every time", times, least)
		})
	}
}

// resident is how much memory the process has, in bytes, after what Go can give back is given back; 0 where the system
// does not tell.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestMemoryComesBackAfterClose loads and closes a model of 16 MiB of weights again and again: what stays in use is less than
// the weights of one.
func TestMemoryComesBackAfterClose(t *testing.T) {
	if resident(t) == 0 {
		t.Skip("this system does not tell how much memory a process has")
	}
	const width, weights = 2048, 2048 * 2048 * 4
	e := start(t, Config{Memory: 1 << 30})
	path := onnxtest.Write(t, onnxtest.Dense(width))
	round := func() int {
		opened, err := e.Open(path, backend.ModelOptions{MaxOutput: testLimit})
		if err != nil {
			t.Fatal(err)
		}
		infer(t, opened.(*model), zeros("x", 1, width))
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
		return resident(t)
	}
	before := round() // with what the runtime sets up once
	// Memory also goes up and down by itself; what leaks goes up in every eight rounds.
	least := math.MaxInt
	for range 6 {
		after := before
		for range 8 {
			after = round()
		}
		if least = min(least, after-before); least <= weights/2 {
			return
		}
		before = after
	}
	t.Errorf("8 rounds of a model of %d bytes of weights left %d bytes in use, every time", weights, least)
}
