package main

import (
	"math/rand/v2"

	"ganglion/internal/onnxfile"
)

// dense is a fully connected layer: z = x w + b.
type dense struct {
	in, out int
	w       *param // [in][out], as Gemm takes it
	b       *param
}

// newDense draws the weights of a layer.
func newDense(r *rand.Rand, in, out int, deviation float64) *dense {
	return &dense{in: in, out: out, w: newParam(r, in*out, deviation), b: newParam(r, out, 0)}
}

// forward computes z. Zeros in x, which ReLU makes plenty of, cost nothing.
func (d *dense) forward(x, z []float32) {
	copy(z, d.b.w)
	for i, v := range x {
		if v != 0 {
			axpy(z, v, d.w.w[i*d.out:(i+1)*d.out])
		}
	}
}

// backward adds to the gradients gw and gb those of a forward pass of x that
// led to a slope of dz, and sets dx to the slope of x where x was let through by
// a ReLU (0 elsewhere). A nil dx is not wanted.
func (d *dense) backward(x, dz, dx, gw, gb []float32) {
	add(gb, dz)
	for i, v := range x {
		if dx != nil {
			dx[i] = 0
		}
		if v == 0 {
			continue
		}
		axpy(gw[i*d.out:(i+1)*d.out], v, dz)
		if dx != nil {
			dx[i] = dot(dz, d.w.w[i*d.out:(i+1)*d.out])
		}
	}
}

// export adds the layer to m as a Gemm node.
func (d *dense) export(m *onnxfile.Model, name, in, out string) {
	m.Initializer(onnxfile.NewData(name+"_w", d.w.w, int64(d.in), int64(d.out)))
	m.Initializer(onnxfile.NewData(name+"_b", d.b.w, int64(d.out)))
	m.Node("Gemm", in+" "+name+"_w "+name+"_b", out)
}
