package backend

import (
	"fmt"
	"strings"
	"testing"

	"ganglion/backend/modelconf"
	"ganglion/internal/oip"
)

// FuzzView: whatever a configuration says of an input, if it is accepted, every request that fits what clients see fits the
// engine with as many elements, and back again.
func FuzzView(f *testing.F) {
	f.Add([]byte{0, 4, 0}, []byte{0, 1, 0}, []byte{0, 0}, true, uint8(8))
	f.Add([]byte{1, 3, 1, 1}, []byte{3, 1, 1}, []byte{1, 3, 1, 1}, true, uint8(0))
	f.Add([]byte{0}, []byte{1}, []byte{}, true, uint8(4))
	f.Add([]byte{0, 2}, []byte{2}, []byte{}, false, uint8(4))
	f.Fuzz(func(t *testing.T, model, dims, inner []byte, reshaped bool, batch uint8) {
		if len(model) > oip.MaxRank || len(dims) > oip.MaxRank || len(inner) > oip.MaxRank {
			return
		}
		text := fmt.Sprintf("max_batch_size: %d input { name: 'x' dims: %s", batch, sizes(dims))
		if reshaped {
			text += " reshape { shape: " + sizes(inner) + " }"
		}
		c, err := modelconf.ReadPBTXT("m/config.pbtxt", "m", []byte(text+" }"))
		if err != nil {
			return
		}
		spec := Spec{TensorMetadata: oip.TensorMetadata{Name: "x", Datatype: oip.FP32, Shape: sizesOf(model)}, Axes: make([]string, len(model))}
		v, err := inputView(&c, []Spec{spec})
		if err != nil {
			return
		}
		request := []oip.Tensor{{Name: "x", Shape: fit(v.clients[0].Shape)}}
		want := product(request[0].Shape)
		v.toEngine(request)
		if got := request[0].Shape; product(got) != want || !fits(got, v.engine[0].Shape) || !fits(got, spec.Shape) {
			t.Errorf("%s: clients see %d, the engine %d of the model's %d: %d becomes %d", text, v.clients[0].Shape, v.engine[0].Shape, spec.Shape, fit(v.clients[0].Shape), got)
		}
		v.toClient(&request[0])
		if got := request[0].Shape; product(got) != want || !fits(got, v.clients[0].Shape) {
			t.Errorf("%s: back to clients it becomes %d", text, got)
		}
	})
}

// sizesOf makes sizes of -1 to 3 of bytes.
func sizesOf(b []byte) []int64 {
	shape := make([]int64, len(b))
	for i := range b {
		if shape[i] = int64(b[i] % 5); shape[i] == 0 {
			shape[i] = -1
		}
	}
	return shape
}

func sizes(b []byte) string { return strings.Join(strings.Fields(fmt.Sprint(sizesOf(b))), ",") }

// fit is a shape of a request that fits: the sizes that vary are unlike each other.
func fit(shape []int64) []int64 {
	made := make([]int64, len(shape))
	for i, size := range shape {
		if made[i] = size; size < 0 {
			made[i] = int64(5 + i)
		}
	}
	return made
}

func fits(shape, known []int64) bool {
	if len(shape) != len(known) {
		return false
	}
	for i := range shape {
		if known[i] >= 0 && known[i] != shape[i] {
			return false
		}
	}
	return true
}

func product(shape []int64) int64 {
	p := int64(1)
	for _, size := range shape {
		p *= size
	}
	return p
}
