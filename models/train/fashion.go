package main

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"

	"ganglion/internal/onnxfile"
)

// picture is 28x28 grey pixels from 0, black, to 1, white.
type picture = []float32

const pictureSide = 28

func fashionGarments() []string {
	return []string{
		"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
	}
}

// trainFashion makes a small convolutional network: two blocks of 8 and 16
// channels and a layer of scores, 9,098 weights.
func trainFashion(ctx context.Context, opt *options, w io.Writer) (*onnxfile.Model, error) {
	dir := filepath.Join(opt.data, "fashion-mnist")
	train, err := readPictures(dir, "train", len(fashionGarments()))
	if err != nil {
		return nil, err
	}
	held, err := readPictures(dir, "t10k", len(fashionGarments()))
	if err != nil {
		return nil, err
	}
	net := newFashionNet(rand.New(rand.NewPCG(2, 0)))
	plan := schedule{seed: 2, epochs: 8, batch: 64, rate: 0.002, decay: 0.75}
	every := func(int) []example[picture] { return train }
	if err := fit(ctx, net, plan, every, progress(w, net, 1, held)); err != nil {
		return nil, err
	}
	return net.export(), nil
}

// fashionNet is two blocks and a layer of scores.
type fashionNet struct {
	first, second *block
	scores        *dense
}

func newFashionNet(r *rand.Rand) *fashionNet {
	const features = 16 * (pictureSide / 4) * (pictureSide / 4)
	return &fashionNet{
		first:  newBlock(r, 1, 8, pictureSide),
		second: newBlock(r, 8, 16, pictureSide/2),
		scores: newDense(r, features, len(fashionGarments()), math.Sqrt(1./features)),
	}
}

func (n *fashionNet) params() []*param {
	return []*param{n.first.k, n.first.b, n.second.k, n.second.b, n.scores.w, n.scores.b}
}

func (n *fashionNet) prepare() {}

func (n *fashionNet) worker() worker[picture] {
	w := &fashionWorker{net: n, first: n.first.state(false), second: n.second.state(true), z: make([]float32, n.scores.out)}
	w.firstSlope = make([]float32, len(w.first.pooled))
	w.secondSlope = make([]float32, len(w.second.pooled))
	return w
}

// fashionWorker keeps the activations of one pass.
type fashionWorker struct {
	net                     *fashionNet
	first, second           *blockState
	firstSlope, secondSlope []float32 // of the pooled values
	z                       []float32
}

func (w *fashionWorker) forward(x picture) []float32 {
	n := w.net
	n.first.load(w.first, x)
	n.first.forward(w.first)
	n.second.load(w.second, w.first.pooled)
	n.second.forward(w.second)
	n.scores.forward(w.second.pooled, w.z)
	return w.z
}

func (w *fashionWorker) backward(_ picture, slope []float32, g gradient) {
	n := w.net
	n.scores.backward(w.second.pooled, slope, w.secondSlope, g[4], g[5])
	n.second.backward(w.second, w.secondSlope, g[2], g[3])
	n.second.unpad(w.second, w.firstSlope)
	n.first.backward(w.first, w.firstSlope, g[0], g[1])
}

// export writes the network as a graph.
func (n *fashionNet) export() *onnxfile.Model {
	m := newModel("fashion_mnist_cnn", "Kind of garment on a 28x28 grey picture, 0 to 1, white on black (Fashion-MNIST)")
	m.Input("image", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Fixed(1), onnxfile.Fixed(pictureSide), onnxfile.Fixed(pictureSide))
	n.first.export(m, "first", "image", "first")
	n.second.export(m, "second", "first", "second")
	m.Node("Flatten", "second", "features", onnxfile.Int("axis", 1))
	n.scores.export(m, "scores", "features", "scores")
	classify(m, "scores", fashionGarments(), "garment")
	return m
}
