package main

import (
	"math"
	"math/rand/v2"

	"ganglion/internal/onnxfile"
)

// block is a 3x3 convolution over a square picture, ReLU, and 2x2 max-pooling.
type block struct {
	in, out, side int    // channels in and out; pixels a side before pooling
	k             *param // [out][in][3][3]
	b             *param
}

// newBlock draws the weights of a block so that activations keep their size.
func newBlock(r *rand.Rand, in, out, side int) *block {
	return &block{in, out, side, newParam(r, out*in*9, math.Sqrt(2/float64(9*in))), newParam(r, out, 0)}
}

// row is the length of a padded row: one pixel of zeros at each end.
func (c *block) row() int { return c.side + 2 }

// blockState is what one pass through a block leaves behind.
type blockState struct {
	in     []float32 // [in][side+2][side+2], the border zero
	full   []float32 // [side][side], one channel before pooling
	pooled []float32 // [out][side/2][side/2]
	from   []int32   // where in full each pooled value came from; -1 if ReLU stopped it
	slope  []float32 // of in, same layout; nil for the first block
}

// state allocates the memory of a pass; slopes is whether backward should say
// how the loss depends on the input.
func (c *block) state(slopes bool) *blockState {
	padded, pooled := c.in*c.row()*c.row(), c.out*c.side*c.side/4
	s := &blockState{
		in:     make([]float32, padded),
		full:   make([]float32, c.side*c.side),
		pooled: make([]float32, pooled),
		from:   make([]int32, pooled),
	}
	if slopes {
		s.slope = make([]float32, padded)
	}
	return s
}

// load puts a picture of side x side pixels a channel into the padded input.
func (c *block) load(s *blockState, picture []float32) {
	for y := range c.in * c.side {
		channel, line := y/c.side, y%c.side
		at := (channel*c.row()+line+1)*c.row() + 1
		copy(s.in[at:at+c.side], picture[y*c.side:])
	}
}

// forward fills s.pooled from s.in.
func (c *block) forward(s *blockState) {
	for o := range c.out {
		for i := range s.full {
			s.full[i] = c.b.w[o]
		}
		for i := range c.in {
			c.convolve(s, c.k.w[(o*c.in+i)*9:][:9], i)
		}
		c.pool(s, o)
	}
}

// convolve adds channel i of the input, seen through one 3x3 kernel, to s.full.
func (c *block) convolve(s *blockState, k []float32, i int) {
	for y := range c.side {
		dst := s.full[y*c.side:][:c.side]
		for ky := range 3 {
			src := s.in[(i*c.row()+y+ky)*c.row():][:c.row()]
			k0, k1, k2 := k[ky*3], k[ky*3+1], k[ky*3+2]
			for x := range dst {
				dst[x] += float32(k0*src[x]) + float32(k1*src[x+1]) + float32(k2*src[x+2])
			}
		}
	}
}

// pool takes the largest value above 0 of each 2x2 square of s.full.
func (c *block) pool(s *blockState, o int) {
	half := c.side / 2
	for y := range half {
		for x := range half {
			top, from := float32(0), int32(-1)
			for q := range 4 {
				at := (2*y+q/2)*c.side + 2*x + q%2
				if s.full[at] > top {
					top, from = s.full[at], int32(at)
				}
			}
			s.pooled[(o*half+y)*half+x], s.from[(o*half+y)*half+x] = top, from
		}
	}
}

// backward adds the gradients of the last forward pass to gk and gb, given the
// slope of s.pooled, and sets s.slope if there is one. Only the pixels that
// won their square matter, so it walks those.
func (c *block) backward(s *blockState, slope, gk, gb []float32) {
	clear(s.slope)
	each := c.side * c.side / 4
	for p, d := range slope {
		if d == 0 || s.from[p] < 0 {
			continue
		}
		o := p / each
		gb[o] += d
		y, x := int(s.from[p])/c.side, int(s.from[p])%c.side
		for i := range c.in {
			k := (o*c.in + i) * 9
			for ky := range 3 {
				at := (i*c.row()+y+ky)*c.row() + x
				axpy(gk[k+ky*3:][:3], d, s.in[at:at+3])
				if s.slope != nil {
					axpy(s.slope[at:at+3], d, c.k.w[k+ky*3:])
				}
			}
		}
	}
}

// unpad copies the slope of the input, without its border, to dst: the slope of
// the block before this one.
func (c *block) unpad(s *blockState, dst []float32) {
	for y := range c.in * c.side {
		channel, line := y/c.side, y%c.side
		at := (channel*c.row()+line+1)*c.row() + 1
		copy(dst[y*c.side:][:c.side], s.slope[at:])
	}
}

// export adds the block to m as Conv, Relu and MaxPool.
func (c *block) export(m *onnxfile.Model, name, in, out string) {
	m.Initializer(onnxfile.NewData(name+"_k", c.k.w, int64(c.out), int64(c.in), 3, 3))
	m.Initializer(onnxfile.NewData(name+"_b", c.b.w, int64(c.out)))
	m.Node("Conv", in+" "+name+"_k "+name+"_b", name+"_sum",
		onnxfile.Ints("kernel_shape", 3, 3), onnxfile.Ints("pads", 1, 1, 1, 1))
	m.Node("Relu", name+"_sum", name+"_relu")
	m.Node("MaxPool", name+"_relu", out,
		onnxfile.Ints("kernel_shape", 2, 2), onnxfile.Ints("strides", 2, 2))
}
