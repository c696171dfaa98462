package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"ganglion/internal/onnxfile"
)

// encoderShape is the size of a BERT-like text encoder.
type encoderShape struct {
	layers, hidden, heads, feedForward, vocabulary int
}

// encoderPositions is the longest text in tokens, as in BERT.
const encoderPositions = 512

// flags registers the shape's flags; what they leave out is MiniLM-L6's.
func (s *encoderShape) flags(fs *flag.FlagSet) {
	fs.IntVar(&s.layers, "layers", 6, "transformer layers (BERT base: 12)")
	fs.IntVar(&s.hidden, "hidden", 384, "width of a token (BERT base: 768)")
	fs.IntVar(&s.heads, "heads", 12, "attention heads, which divide -hidden")
	fs.IntVar(&s.feedForward, "ffn", 1536, "width of the feed-forward layer (BERT base: 3072)")
	fs.IntVar(&s.vocabulary, "vocab", 30522, "tokens known")
}

// check refuses shapes that make no graph.
func (s *encoderShape) check() error {
	for _, n := range []int{s.layers, s.hidden, s.heads, s.feedForward, s.vocabulary} {
		if n < 1 || n > 1<<20 {
			return fmt.Errorf("encoder size %d: 1 to %d are accepted", n, 1<<20)
		}
	}
	if s.hidden%s.heads != 0 {
		return fmt.Errorf("-hidden %d is no multiple of -heads %d", s.hidden, s.heads)
	}
	return nil
}

// makeEncoder writes a text encoder with random weights: of no use but to load a
// node with the arithmetic of a real one. Scalars are rank 0, and layers are
// spelt as exporters spell them, because that is what ONNX Runtime's fusions of
// GELU and layer normalisation look for.
func makeEncoder(ctx context.Context, opt *options, w io.Writer) (*onnxfile.Model, error) {
	shape := opt.encoder
	if err := shape.check(); err != nil {
		return nil, err
	}
	e := &encoder{encoderShape: shape, m: newModel("encoder_random_weights", "Text encoder with random weights, for load tests only"), r: rand.New(rand.NewPCG(4, 0))}
	e.constants()
	mask := e.op("Cast", "attention_mask", onnxfile.Int("to", int64(onnxfile.Float)))
	bias := e.op("Unsqueeze", e.op("Mul", e.op("Sub", "one "+mask)+" minus_10000")+" axes_1_2")
	x := e.embed()
	for l := range shape.layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x = e.layer(fmt.Sprintf("layer%d_", l), x, bias)
	}
	e.meanPool(x, mask)
	fmt.Fprintf(w, "%d layers of %d\n", shape.layers, shape.hidden)
	return e.m, nil
}

// encoder is a graph under construction; methods return the names of the values
// they add.
type encoder struct {
	encoderShape
	m      *onnxfile.Model
	r      *rand.Rand
	values int
}

// op adds an operator with one output.
func (e *encoder) op(name, in string, attrs ...onnxfile.Attr) string {
	e.values++
	out := fmt.Sprintf("v%d", e.values)
	e.m.Node(name, in, out, attrs...)
	return out
}

// random adds an array of weights with the deviation that BERT starts from.
func (e *encoder) random(name string, dims ...int64) {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	e.m.Initializer(onnxfile.NewData(name, newParam(e.r, int(n), 0.02).w, dims...))
}

// same adds a vector of n equal weights.
func (e *encoder) same(name string, v float32, n int) {
	x := make([]float32, n)
	for i := range x {
		x[i] = v
	}
	e.m.Initializer(onnxfile.NewData(name, x, int64(n)))
}

// constants adds what all layers share.
func (e *encoder) constants() {
	scalars := map[string]float32{"one": 1, "half": 0.5, "two": 2, "sqrt2": math.Sqrt2, "epsilon": 1e-12}
	for _, name := range []string{"one", "half", "two", "sqrt2", "epsilon"} {
		e.m.Initializer(onnxfile.NewData(name, []float32{scalars[name]}))
	}
	e.same("minus_10000", -1e4, 1)
	e.same("scale", float32(1/math.Sqrt(float64(e.hidden/e.heads))), 1)
	e.m.Initializer(onnxfile.NewData("int_0", []int64{0}, 1))
	e.m.Initializer(onnxfile.NewData("int_1", []int64{1}, 1))
	e.m.Initializer(onnxfile.NewData("int_2", []int64{2}, 1))
	e.m.Initializer(onnxfile.NewData("axes_1_2", []int64{1, 2}, 2))
	e.m.Initializer(onnxfile.NewData("split", []int64{0, 0, int64(e.heads), int64(e.hidden / e.heads)}, 4))
	e.m.Initializer(onnxfile.NewData("merge", []int64{0, 0, int64(e.hidden)}, 3))
	e.m.Input("input_ids", onnxfile.Int64, onnxfile.Dynamic("batch"), onnxfile.Dynamic("length"))
	e.m.Input("attention_mask", onnxfile.Int64, onnxfile.Dynamic("batch"), onnxfile.Dynamic("length"))
}

// embed looks up tokens and adds positions.
func (e *encoder) embed() string {
	e.random("tokens", int64(e.vocabulary), int64(e.hidden))
	e.random("positions", encoderPositions, int64(e.hidden))
	length := e.op("Slice", e.op("Shape", "input_ids")+" int_1 int_2 int_0")
	positions := e.op("Slice", "positions int_0 "+length+" int_0")
	tokens := e.op("Gather", "tokens input_ids", onnxfile.Int("axis", 0))
	return e.normalise("embed_", e.op("Add", tokens+" "+positions))
}

// linear is x w + b.
func (e *encoder) linear(name, x string, in, out int) string {
	e.random(name+"w", int64(in), int64(out))
	e.same(name+"b", 0, out)
	return e.op("Add", e.op("MatMul", x+" "+name+"w")+" "+name+"b")
}

// normalise is layer normalisation in the pieces of opset 13.
func (e *encoder) normalise(name, x string) string {
	e.same(name+"gain", 1, e.hidden)
	e.same(name+"shift", 0, e.hidden)
	mean := e.op("ReduceMean", x, onnxfile.Ints("axes", -1))
	centred := e.op("Sub", x+" "+mean)
	variance := e.op("ReduceMean", e.op("Pow", centred+" two"), onnxfile.Ints("axes", -1))
	deviation := e.op("Sqrt", e.op("Add", variance+" epsilon"))
	scaled := e.op("Mul", e.op("Div", centred+" "+deviation)+" "+name+"gain")
	return e.op("Add", scaled+" "+name+"shift")
}

// layer is attention and a feed-forward network, each added to its input.
func (e *encoder) layer(name, x, bias string) string {
	q := e.perHead(name+"q_", x, 0, 2, 1, 3)
	k := e.perHead(name+"k_", x, 0, 2, 3, 1)
	v := e.perHead(name+"v_", x, 0, 2, 1, 3)
	match := e.op("Add", e.op("Mul", e.op("MatMul", q+" "+k)+" scale")+" "+bias)
	weighted := e.op("MatMul", e.op("Softmax", match, onnxfile.Int("axis", -1))+" "+v)
	merged := e.op("Reshape", e.op("Transpose", weighted, onnxfile.Ints("perm", 0, 2, 1, 3))+" merge")
	x = e.normalise(name+"attended_", e.op("Add", x+" "+e.linear(name+"o_", merged, e.hidden, e.hidden)))
	wide := e.gelu(e.linear(name+"wide_", x, e.hidden, e.feedForward))
	return e.normalise(name+"out_", e.op("Add", x+" "+e.linear(name+"narrow_", wide, e.feedForward, e.hidden)))
}

// perHead projects x and cuts it into attention heads, axes in the order of perm.
func (e *encoder) perHead(name, x string, perm ...int64) string {
	split := e.op("Reshape", e.linear(name, x, e.hidden, e.hidden)+" split")
	return e.op("Transpose", split, onnxfile.Ints("perm", perm...))
}

// gelu is x * (1 + erf(x / sqrt 2)) / 2.
func (e *encoder) gelu(x string) string {
	bent := e.op("Add", e.op("Erf", e.op("Div", x+" sqrt2"))+" one")
	return e.op("Mul", e.op("Mul", x+" "+bent)+" half")
}

// meanPool averages the tokens that the mask lets through, to a vector of
// length 1.
func (e *encoder) meanPool(x, mask string) {
	mask = e.op("Unsqueeze", mask+" int_2")
	sum := e.op("ReduceSum", e.op("Mul", x+" "+mask)+" int_1", onnxfile.Int("keepdims", 0))
	count := e.op("ReduceSum", mask+" int_1", onnxfile.Int("keepdims", 0))
	mean := e.op("Div", sum+" "+count)
	length := e.op("ReduceL2", mean, onnxfile.Ints("axes", 1))
	e.m.Node("Div", mean+" "+length, "sentence_embedding")
	e.m.Output("sentence_embedding", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Fixed(int64(e.hidden)))
}
