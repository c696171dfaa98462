//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
)

// samples is how often memory is looked at. The first tenth is warming up.
const samples = 10

// measureRequests looks at whether memory stays what it is under requests.
func (b *bench) measureRequests(ctx context.Context) error {
	if b.requests < samples {
		return nil
	}
	asked := question(irisBatched, irisShape, false)
	return b.flat(fmt.Sprintf("memory after %d requests, of that after a tenth", b.requests), func() error {
		_, err := b.load(ctx, irisBatched, asked, b.requests/samples, 0)
		return err
	})
}

// measureLoads looks at whether memory comes back when a model goes.
func (b *bench) measureLoads(ctx context.Context) error {
	if b.loads < samples {
		return nil
	}
	path := "/v2/repository/models/" + loaded
	return b.flat(fmt.Sprintf("memory after %d loads and unloads, of that after a tenth", b.loads), func() error {
		for range b.loads / samples {
			for _, what := range []string{"/unload", "/load"} {
				status, answer, err := b.node.call(http.MethodPost, path+what, []byte("{}"))
				if err != nil {
					return err
				}
				if status != http.StatusOK {
					return fmt.Errorf("%s answered %d %s", path+what, status, answer)
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// flat does something samples times and reports the most memory that the node has had, by what it had after the first.
func (b *bench) flat(name string, do func() error) error {
	var first, most int
	for i := range samples {
		if err := do(); err != nil {
			return err
		}
		bytes, err := b.node.resident()
		if err != nil {
			return err
		}
		if i == 0 {
			first = bytes
		}
		most = max(most, bytes)
		b.report.say("%s: %.1f MiB", name, float64(bytes)/(1<<20))
	}
	b.report.add(row{
		name: name, value: float64(most) / float64(first), format: "%.3f", goal: 1.05,
		note: fmt.Sprintf("%.1f MiB, then never more than %.1f", float64(first)/(1<<20), float64(most)/(1<<20)),
	})
	return nil
}
