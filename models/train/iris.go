package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"ganglion/internal/onnxfile"
)

// irisRows are 150 flowers; the file names its source.
//
//go:embed iris.csv
var irisRows string

// flower is sepal length, sepal width, petal length and petal width in cm.
type flower = []float32

func irisSpecies() []string { return []string{"setosa", "versicolor", "virginica"} }

// trainIris makes the smallest useful model: 16 hidden units on 4 numbers.
func trainIris(ctx context.Context, _ *options, w io.Writer) (*onnxfile.Model, error) {
	flowers, err := parseIris(irisRows)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(1, 0))
	r.Shuffle(len(flowers), func(i, j int) { flowers[i], flowers[j] = flowers[j], flowers[i] })
	train, held := flowers[:120], flowers[120:]
	net := newIrisNet(r, train)
	plan := schedule{seed: 1, epochs: 150, batch: 16, rate: 0.01, decay: 0.99}
	every := func(int) []example[flower] { return train }
	if err := fit(ctx, net, plan, every, progress(w, net, 50, held)); err != nil {
		return nil, err
	}
	return net.export(), nil
}

// parseIris reads the rows after the comment lines.
func parseIris(csv string) ([]example[flower], error) {
	var flowers []example[flower]
	for i, line := range strings.Split(strings.TrimSpace(csv), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f, err := parseFlower(line)
		if err != nil {
			return nil, fmt.Errorf("iris.csv:%d: %w", i+1, err)
		}
		flowers = append(flowers, f)
	}
	return flowers, nil
}

// parseFlower reads one row.
func parseFlower(line string) (example[flower], error) {
	fields := strings.Split(line, ",")
	if len(fields) != 5 {
		return example[flower]{}, fmt.Errorf("%d fields in %q: 5 are accepted", len(fields), line)
	}
	e := example[flower]{class: -1}
	for _, s := range fields[:4] {
		v, err := strconv.ParseFloat(s, 32)
		if err != nil {
			return e, err
		}
		e.x = append(e.x, float32(v))
	}
	for i, name := range irisSpecies() {
		if fields[4] == name {
			e.class = i
		}
	}
	if e.class < 0 {
		return e, fmt.Errorf("unknown species %q", fields[4])
	}
	return e, nil
}

// irisNet is normalisation, a hidden layer with ReLU, and a layer of scores.
type irisNet struct {
	mean, deviation []float32
	hidden, scores  *dense
}

func newIrisNet(r *rand.Rand, train []example[flower]) *irisNet {
	mean, deviation := moments(train)
	return &irisNet{mean, deviation, newDense(r, 4, 16, 0.5), newDense(r, 16, 3, 0.3)}
}

// moments are the mean and the standard deviation of each measurement.
func moments(flowers []example[flower]) (mean, deviation []float32) {
	n := float64(len(flowers))
	for j := range flowers[0].x {
		var sum, squares float64
		for _, f := range flowers {
			sum += float64(f.x[j])
			squares += float64(float64(f.x[j]) * float64(f.x[j]))
		}
		m := sum / n
		mean = append(mean, float32(m))
		deviation = append(deviation, float32(math.Sqrt(squares/n-float64(m*m))))
	}
	return mean, deviation
}

func (n *irisNet) params() []*param {
	return []*param{n.hidden.w, n.hidden.b, n.scores.w, n.scores.b}
}

func (n *irisNet) prepare() {}

func (n *irisNet) worker() worker[flower] {
	return &irisWorker{
		net: n, in: make([]float32, 4), hidden: make([]float32, 16), slope: make([]float32, 16), z: make([]float32, 3),
	}
}

// irisWorker keeps the activations of one pass.
type irisWorker struct {
	net                  *irisNet
	in, hidden, slope, z []float32
}

func (w *irisWorker) forward(x flower) []float32 {
	for j, v := range x {
		w.in[j] = (v - w.net.mean[j]) / w.net.deviation[j]
	}
	w.net.hidden.forward(w.in, w.hidden)
	relu(w.hidden)
	w.net.scores.forward(w.hidden, w.z)
	return w.z
}

func (w *irisWorker) backward(_ flower, slope []float32, g gradient) {
	w.net.scores.backward(w.hidden, slope, w.slope, g[2], g[3])
	w.net.hidden.backward(w.in, w.slope, nil, g[0], g[1])
}

// export writes the network as a graph.
func (n *irisNet) export() *onnxfile.Model {
	m := newModel("iris", "Species of an iris flower from sepal length, sepal width, petal length and petal width in cm")
	m.Input("measurements", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Fixed(4))
	m.Initializer(onnxfile.NewData("mean", n.mean, 1, 4))
	m.Initializer(onnxfile.NewData("deviation", n.deviation, 1, 4))
	m.Node("Sub", "measurements mean", "centred")
	m.Node("Div", "centred deviation", "normal")
	n.hidden.export(m, "hidden", "normal", "hidden_sum")
	m.Node("Relu", "hidden_sum", "hidden")
	n.scores.export(m, "scores", "hidden", "scores")
	classify(m, "scores", irisSpecies(), "species")
	return m
}
