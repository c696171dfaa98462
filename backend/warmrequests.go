package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"ganglion/backend/modelconf"
	"ganglion/backend/scheduler"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// warmUpFolder holds, beside the versions of a model, the data of its warm-up requests.
const warmUpFolder = "warmup"

// warmUps runs the requests that a configuration lists on every instance of a version: each has memory of its own to set up.
// One that fails keeps the version from serving, for whoever lists it says that the model answers it.
func (s *Server) warmUps(ctx context.Context, in *instance, batched bool, runners []scheduler.Runner, log *slog.Logger) error {
	for i := range in.config.WarmUp {
		w := &in.config.WarmUp[i]
		key := fmt.Sprintf("warm_up[%d]", i)
		request, err := s.warmUpInputs(in, w, key, batched)
		if err != nil {
			return fmt.Errorf("%s: warm-up %q: %w", in.config.Where(key), w.Name, err)
		}
		began := time.Now()
		for _, runner := range runners {
			for range max(w.Count, 1) {
				if err := s.warmUpOnce(ctx, runner, request); err != nil {
					return fmt.Errorf("%s: warm-up %q: %w", in.config.Where(key), w.Name, err)
				}
			}
		}
		log.Debug("warmed up", "request", w.Name, "instances", len(runners), "times", max(w.Count, 1), "ms", time.Since(began).Milliseconds())
	}
	return nil
}

// warmUpOnce makes one run, which may take as long as any inference.
func (s *Server) warmUpOnce(ctx context.Context, runner scheduler.Runner, inputs []oip.Tensor) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	one, err := scheduler.New(scheduler.Config{}, runner)
	if err != nil {
		return err
	}
	r := &scheduler.Request{Inputs: inputs}
	err = one.Infer(ctx, r)
	r.Release()
	return errors.Join(err, one.Close(ctx))
}

// warmUpInputs makes the inputs of a warm-up request, as the engine takes them.
func (s *Server) warmUpInputs(in *instance, w *modelconf.WarmUp, key string, batched bool) (inputs []oip.Tensor, err error) {
	for name := range w.Inputs {
		if find(in.inputs, name) == nil {
			return nil, fmt.Errorf("there is no input %q, only %s", name, namesOf(in.inputs))
		}
	}
	for i := range in.inputs {
		meta := in.inputs[i]
		said := w.Inputs[meta.Name]
		if said.Shape != nil {
			where := in.config.Where(key + ".inputs." + conf.Quote(meta.Name) + ".shape")
			if meta.Shape, err = warmUpShape(meta, said.Shape, batched, where); err != nil {
				return nil, err
			}
		}
		tensor, ok := zerosOf(meta, max(w.Rows, 1), int64(s.cfg.HTTP.MaxBody))
		if !ok {
			return nil, fmt.Errorf("input %q would be larger than a request may be", meta.Name)
		}
		if err := s.warmUpData(in, &tensor, said.Data); err != nil {
			return nil, err
		}
		inputs = append(inputs, tensor)
	}
	in.view.toEngine(inputs)
	return inputs, nil
}

// warmUpShape is the shape of an input with what varies set by the request, but for the rows.
func warmUpShape(meta oip.TensorMetadata, said []int64, batched bool, where string) ([]int64, error) {
	shape := said
	if batched {
		shape = append([]int64{-1}, said...)
	}
	fits := len(shape) == len(meta.Shape)
	for i := 0; fits && i < len(shape); i++ {
		fits = meta.Shape[i] < 0 || meta.Shape[i] == shape[i]
	}
	if !fits {
		return nil, fmt.Errorf("%s gives input %q the shape %d, but the model's is %d", where, meta.Name, said, meta.Shape)
	}
	return shape, nil
}

// warmUpData fills an input of zeros with what the request brings.
func (s *Server) warmUpData(in *instance, t *oip.Tensor, data string) error {
	switch data {
	case "", "zero":
		return nil
	case "random":
		randomize(t)
		return nil
	}
	content, err := s.repository.read(filepath.Join(in.name, warmUpFolder, data), int64(s.cfg.HTTP.MaxBody))
	if err != nil {
		return err
	}
	if t.Datatype != oip.Bytes && len(content) != len(t.Data) {
		return fmt.Errorf("%s has %d bytes, but input %q of shape %d has %d", data, len(content), t.Name, t.Shape, len(t.Data))
	}
	t.Data = content
	return t.Validate()
}

// randomize fills a tensor with numbers that are the same every time: from 0 to 1 where it has fractions, and 0 or 1 where it
// has none, since whole numbers are mostly places in a table. Text stays empty.
func randomize(t *oip.Tensor) {
	numbers := rand.New(rand.NewPCG(1, 2))
	size := t.Datatype.Size()
	if t.Datatype == oip.Bytes || size == 0 {
		return
	}
	for at := 0; at+size <= len(t.Data); at += size {
		if element, ok := elementOf(t.Datatype, numbers.Float64()); ok && t.Datatype != oip.Bool {
			copy(t.Data[at:], element)
			continue
		}
		t.Data[at] = byte(numbers.IntN(2))
		if t.Datatype == oip.FP16 || t.Datatype == oip.BF16 {
			t.Data[at] = 0
			t.Data[at+1] = byte(0x30 + numbers.IntN(12)) // its upper byte: positive, and below 1
		}
	}
}
