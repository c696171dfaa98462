package scheduler_test

import (
	"context"
	"fmt"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// double is a model that doubles every byte.
type double struct{}

func (double) Run(_ context.Context, inputs []oip.Tensor, _ []string, res *scheduler.Results) error {
	in := &inputs[0]
	out := res.Add("y", in.Datatype, in.Shape, len(in.Data))
	for i, b := range in.Data {
		out[i] = 2 * b
	}
	return nil
}

func Example() {
	s, err := scheduler.New(scheduler.Config{Model: "double", MaxBatchSize: 16}, double{})
	if err != nil {
		panic(err)
	}
	defer s.Close(context.Background())

	r := &scheduler.Request{
		Inputs:   []oip.Tensor{{Name: "x", Datatype: oip.Uint8, Shape: []int64{1, 3}, Data: []byte{1, 2, 3}}},
		Deadline: time.Now().Add(time.Second),
	}
	if err := s.Infer(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %d %d\n", r.Outputs[0].Name, r.Outputs[0].Shape, r.Outputs[0].Data)
	r.Release()
	// Output: y [1 3] [2 4 6]
}
