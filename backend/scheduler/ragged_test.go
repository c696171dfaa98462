package scheduler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"ganglion/internal/oip"
)

// tokens is how a language model would be declared.
var tokens = Ragged{
	Inputs:  []RaggedInput{{Name: "x", Axis: 1, Datatype: oip.Int64, Value: []byte{99, 0, 0, 0, 0, 0, 0, 0}}, {Name: "s", Axis: 1, Datatype: oip.Bytes, Value: []byte("pad")}},
	Mask:    Mask{Name: "mask", Datatype: oip.Int64},
	Outputs: []RaggedOutput{{"x", 1}, {"s", 1}},
	Buckets: []int64{4, 8},
}

func row(xs ...int64) *Request {
	var strings []string
	for _, x := range xs {
		strings = append(strings, fmt.Sprint(x))
	}
	return &Request{Inputs: []oip.Tensor{ints("x", len(xs), xs...), texts("s", len(xs), strings...)}}
}

func TestShorterRequestsArePadded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs []string
		runner := &fake{}
		runner.do = func(_ context.Context, inputs []oip.Tensor) error {
			if inputs[0].Name == "x" {
				line := fmt.Sprint(inputs[0].Shape, values(&inputs[0]), inputs[1].Shape)
				for e := range oip.BytesElements(inputs[1].Data) {
					line += " " + string(e)
				}
				runs = append(runs, line+fmt.Sprint(" ", inputs[2].Name, " ", inputs[2].Shape, values(&inputs[2])))
			}
			return nil
		}
		two := &Request{Inputs: []oip.Tensor{ints("x", 1, 5, 6), texts("s", 1, "5", "6")}}
		calls := together(t, Config{MaxBatchSize: 8, Ragged: []Ragged{tokens}}, runner,
			row(1, 2), two, row(7, 8, 9), row(1, 2, 3, 4, 5), row(1, 2, 3, 4, 5, 6, 7, 8, 9))
		for _, c := range calls {
			c.wantEcho(t) // but for the mask, whose padding is not cut out: it is no output of the model's
		}
		want := []string{
			"[4 3] [1 2 99 5 99 99 6 99 99 7 8 9] [4 3] 1 2 pad 5 pad pad 6 pad pad 7 8 9 mask [4 3] [1 1 0 1 0 0 1 0 0 1 1 1]",
			"[1 5] [1 2 3 4 5] [1 5] 1 2 3 4 5 mask [1 5] [1 1 1 1 1]",
			"[1 9] [1 2 3 4 5 6 7 8 9] [1 9] 1 2 3 4 5 6 7 8 9 mask [1 9] [1 1 1 1 1 1 1 1 1]",
		}
		if got := strings.Join(runs, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("the model was given\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

func TestOwnMaskIsPadded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int64
		runner := &fake{}
		runner.do = func(_ context.Context, inputs []oip.Tensor) error {
			for i := range inputs {
				if inputs[i].Name == "mask" {
					got = values(&inputs[i])
				}
			}
			return nil
		}
		masked := func(mask []int64, xs ...int64) *Request {
			return &Request{Inputs: []oip.Tensor{ints("mask", len(mask), mask...), ints("x", len(xs), xs...)}, Want: []string{"x"}}
		}
		for _, c := range together(t, Config{MaxBatchSize: 8, Ragged: []Ragged{tokens}}, runner, masked([]int64{0, 1}, 1, 2), masked([]int64{1, 1, 1, 0}, 1, 2, 3, 4)) {
			c.wantEcho(t)
		}
		if fmt.Sprint(got) != "[0 1 0 0 1 1 1 0]" {
			t.Errorf("the mask was %v", got)
		}
	})
}

// TestInnerDimensionsArePadded pads the middle one of three dimensions, of an input and an output.
func TestInnerDimensionsArePadded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sound := func(rows, length int64, first byte) *Request {
			data := make([]byte, rows*2*length*3)
			for i := range data {
				data[i] = first + byte(i)
			}
			return &Request{Inputs: []oip.Tensor{{Name: "a", Datatype: oip.Uint8, Shape: []int64{rows, 2, length, 3}, Data: data}}}
		}
		runner := &fake{}
		ragged := Ragged{Inputs: []RaggedInput{{Name: "a", Axis: 2, Datatype: oip.Uint8}}, Outputs: []RaggedOutput{{"a", 2}}, Buckets: []int64{9}}
		for _, c := range together(t, Config{MaxBatchSize: 8, Ragged: []Ragged{ragged}}, runner, sound(2, 1, 0), sound(1, 4, 100), sound(1, 0, 0)) {
			c.wantEcho(t)
		}
		if got := fmt.Sprint(runner.shapes[1]); got != "[4 2 4 3]" {
			t.Errorf("the run had shape %v", got)
		}
	})
}

func TestLengthsThatCannotBe(t *testing.T) {
	s := newScheduler(t, Config{MaxBatchSize: 8, Ragged: []Ragged{tokens}}, &fake{})
	flat := oip.Tensor{Name: "x", Datatype: oip.Int64, Shape: []int64{1}, Data: make([]byte, 8)}
	huge := oip.Tensor{Name: "x", Datatype: oip.Int64, Shape: []int64{1, 1 << 40, 0}}
	for says, inputs := range map[string][]oip.Tensor{
		`inputs "x" and "s" are 2 and 3 long`:              {ints("x", 2, 1, 2), texts("s", 3, "", "", "")},
		`input "x" is INT64 with 1 dimensions, model "m"`:  {flat},
		`has a length of 1099511627776 and no data for it`: {huge},
	} {
		err := s.Infer(t.Context(), &Request{Inputs: inputs})
		var client *oip.Error
		if !errors.As(err, &client) || client.Code != oip.InvalidArgument || !strings.Contains(client.Msg, says) {
			t.Errorf("Infer gave %v, want an invalid argument with %q", err, says)
		}
	}
}

func TestOutputThatIsNotRagged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := tokens
		wrong.Outputs = []RaggedOutput{{"x", 2}}
		for _, c := range together(t, Config{MaxBatchSize: 8, Ragged: []Ragged{wrong}}, &fake{}, row(1), row(1, 2)) {
			if err := c.wait(); err == nil || !strings.Contains(err.Error(), "dimension 2 is not the ragged one") {
				t.Errorf("Infer gave %v", err)
			}
		}
	})
}

func TestBucketsBoundThePadding(t *testing.T) {
	for _, waste := range []float64{0.05, 0.25, 0.5, 0.9} {
		buckets := Buckets(3000, waste)
		if last := buckets[len(buckets)-1]; last != 3000 {
			t.Errorf("the last bucket is %d, want 3000", last)
		}
		for length := int64(1); length <= 3000; length++ {
			bucket := bucketOf(buckets, length)
			if bucket < length || float64(bucket-length)/float64(bucket) > waste+1e-9 {
				t.Errorf("waste %v: length %d is padded to %d", waste, length, bucket)
			}
		}
		t.Logf("waste %v: %d buckets", waste, len(buckets))
	}
	if bucketOf([]int64{4, 8}, 9) != 9 {
		t.Error("a length beyond the last bucket shares one")
	}
}

// FuzzPadding pads two tensors to a common length and cuts them back.
func FuzzPadding(f *testing.F) {
	f.Add(uint8(1), uint8(2), uint8(3), uint8(4), uint8(9), []byte("some data"))
	f.Add(uint8(0), uint8(3), uint8(0), uint8(2), uint8(0), []byte(""))
	f.Add(uint8(14), uint8(3), uint8(2), uint8(2), uint8(3), []byte("\x00\x01\x02strings"))
	f.Fuzz(func(t *testing.T, kind, outer, own, inner, more uint8, data []byte) {
		in := RaggedInput{Axis: 1, Datatype: oip.Uint16}
		shape := []int64{int64(outer % 5), int64(own % 9), int64(inner % 5)}
		n := int(product(shape))
		tensor := oip.Tensor{Datatype: oip.Uint16, Shape: shape, Data: make([]byte, 2*n)}
		copy(tensor.Data, data)
		if kind%2 == 1 {
			in.Datatype, in.Value = oip.Bytes, data[:min(len(data), 3)]
			tensor.Datatype, tensor.Data = oip.Bytes, nil
			for i := range n {
				tensor.Data = oip.AppendBytesElement(tensor.Data, data[min(i, len(data)):min(i+i%4, len(data))])
			}
		}
		length := shape[1] + int64(more%7)
		padded, err := appendPadded(nil, &tensor, &in, length)
		if err != nil || len(padded) != paddedSize(&tensor, &in, length) {
			t.Fatalf("padded to %d bytes, want %d: %v", len(padded), paddedSize(&tensor, &in, length), err)
		}
		whole := oip.Tensor{Datatype: tensor.Datatype, Shape: []int64{shape[0], length, shape[2]}, Data: padded}
		if err := whole.Validate(); err != nil {
			t.Fatal(err)
		}
		got, err := cut(padded, tensor.Datatype, whole.Shape, 1, shape[1])
		if err != nil || !bytes.Equal(got, tensor.Data) {
			t.Fatalf("cut back to % x, want % x: %v", got, tensor.Data, err)
		}
	})
}
