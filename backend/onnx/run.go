package onnx

// #cgo noescape gn_run
// #cgo nocallback gn_run
// #cgo noescape gn_take_strings
// #cgo nocallback gn_take_strings
// #cgo nocallback gn_release
// #cgo nocallback gn_grow
// #include "ort.h"
import "C"

import (
	"context"
	"slices"
	"unsafe"

	"ganglion/backend"
	"ganglion/internal/oip"
)

// run is one inference, from the order of its tensors to its results.
type run struct {
	model   *model
	library library
	slot    *slot

	inputs  []*oip.Tensor // in the model's order
	wanted  []int         // indices of the model's outputs, in the caller's order
	results []oip.Tensor  // parallel to wanted; those with Data have it from a prediction
	total   int64         // bytes of results

	inputRoom  [8]*oip.Tensor // most models have fewer: no allocation for them
	wantedRoom [8]int
}

// order puts the tensors into the model's order and checks what C will trust.
func (r *run) order(inputs []oip.Tensor, outputs []string) error {
	r.inputs, r.wanted = r.inputRoom[:0], r.wantedRoom[:0]
	for _, spec := range r.model.inputs {
		i := slices.IndexFunc(inputs, func(t oip.Tensor) bool { return t.Name == spec.Name })
		if i < 0 {
			return oip.Errorf(oip.InvalidArgument, "input %q is missing", spec.Name)
		}
		if err := fits(&inputs[i], spec); err != nil {
			return err
		}
		r.inputs = append(r.inputs, &inputs[i])
	}
	for _, name := range outputs {
		i := slices.IndexFunc(r.model.outputs, func(s backend.Spec) bool { return s.Name == name })
		if i < 0 {
			return oip.Errorf(oip.InvalidArgument, "the model has no output %q", name)
		}
		r.wanted = append(r.wanted, i)
	}
	if len(outputs) == 0 {
		for i := range r.model.outputs {
			r.wanted = append(r.wanted, i)
		}
	}
	return nil
}

// fits checks a tensor against its input. The sizes of dimensions are left to the runtime, which knows them too.
func fits(t *oip.Tensor, spec backend.Spec) error {
	if t.Datatype != spec.Datatype || len(t.Shape) != len(spec.Shape) {
		return oip.Errorf(oip.InvalidArgument, "input %q is %s with %d dimensions, the model takes %s with %d",
			spec.Name, t.Datatype, len(t.Shape), spec.Datatype, len(spec.Shape))
	}
	return t.Validate() // data and shape agree, strings are whole, and a bool is 0 or 1: anything else is undefined in C++
}

// make runs the model and returns the results.
func (r *run) make(ctx context.Context) ([]oip.Tensor, error) {
	call := r.slot.call
	C.gn_grow(call, C.size_t(len(r.model.inputs)), C.size_t(len(r.model.outputs)))
	r.bindInputs()
	predicted, err := r.bindOutputs(true)
	if err != nil {
		return nil, err
	}
	err = r.execute(ctx)
	if err != nil && predicted && ctx.Err() == nil && r.model.maybeMispredicted(err) {
		// If no prediction was wrong, this fails in the same way again.
		if _, err := r.bindOutputs(false); err != nil {
			return nil, err
		}
		err = r.execute(ctx)
	}
	if err != nil {
		return nil, r.judge(ctx, err)
	}
	defer C.gn_release(r.library.ort, call, C.size_t(len(r.wanted)))
	r.model.worked.Store(true)
	if err := r.collect(); err != nil {
		return nil, err
	}
	return r.results, nil
}

func (r *run) bindInputs() {
	tensors := unsafe.Slice(r.slot.call.in, len(r.inputs))
	names := unsafe.Slice(r.slot.call.in_names, len(r.inputs))
	for i, t := range r.inputs {
		names[i] = r.model.inputNames[i]
		r.bind(&tensors[i], t)
	}
}

// bindOutputs names the wanted outputs and, if asked to, gives memory to those whose shape can be told, which it reports.
func (r *run) bindOutputs(predict bool) (predicted bool, err error) {
	tensors := unsafe.Slice(r.slot.call.out, len(r.wanted))
	names := unsafe.Slice(r.slot.call.out_names, len(r.wanted))
	r.results, r.total = make([]oip.Tensor, len(r.wanted)), 0
	for i, output := range r.wanted {
		spec, prediction := &r.model.outputs[output], r.model.predictions[output]
		names[i] = r.model.outputNames[output]
		tensors[i] = C.gn_tensor{}
		result := &r.results[i]
		result.Name, result.Datatype = spec.Name, spec.Datatype
		if !predict || prediction == nil || prediction.wrong.Load() {
			continue
		}
		shape := prediction.shape(r.inputs)
		bytes, err := r.claim(spec.Name, shape, int64(spec.Datatype.Size()))
		if err != nil {
			return false, err
		}
		if bytes > 0 {
			result.Shape, result.Data = shape, make([]byte, bytes)
			r.bind(&tensors[i], result)
			predicted = true
		}
	}
	return predicted, nil
}

// claim adds an output's size to the run's total and returns it, unless that is over the limit.
func (r *run) claim(output string, shape []int64, elementSize int64) (int64, error) {
	limit := r.model.maxOutput
	count, err := oip.ElementCount(shape)
	if err != nil || count > (limit-r.total)/elementSize {
		return 0, oip.Errorf(oip.InvalidArgument,
			"output %q of shape %v would take the outputs of this request over the limit of %d bytes: send less at a time, or ask for fewer outputs",
			output, shape, limit)
	}
	r.total += count * elementSize
	return count * elementSize, nil
}

// bind describes t to C. Its data is pinned until the slot is released, and copied first where it is not aligned for its
// type, as a binary tensor in the middle of a request body may be.
func (r *run) bind(dst *C.gn_tensor, t *oip.Tensor) {
	data := t.Data
	*dst = C.gn_tensor{
		bytes:   C.uint64_t(len(data)),
		rank:    C.size_t(len(t.Shape)),
		element: C.uint(elementOf(t.Datatype)),
	}
	count := int64(1)
	for i, size := range t.Shape {
		dst.shape[i] = C.int64_t(size)
		count *= size
	}
	dst.count = C.uint64_t(count)
	if len(data) == 0 {
		return
	}
	if size := t.Datatype.Size(); size > 1 && uintptr(unsafe.Pointer(&data[0]))%uintptr(size) != 0 {
		data = append(make([]byte, 0, len(data)), data...) // fresh memory is aligned for any element that fills it evenly
	}
	r.slot.pin.Pin(&data[0])
	dst.memory = C.uintptr_t(uintptr(unsafe.Pointer(&data[0])))
}

// execute makes the run, and stops it when ctx ends: the runtime looks up between two operators.
func (r *run) execute(ctx context.Context) error {
	call := r.slot.call
	if ctx.Done() != nil {
		told := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			C.gn_terminate(r.library.ort, call)
			close(told)
		})
		defer func() {
			if !stop() {
				<-told
				C.gn_resume(r.library.ort, call)
			}
		}()
	}
	return r.library.take(C.gn_run(r.library.ort, r.model.handle, call, C.size_t(len(r.inputs)), C.size_t(len(r.wanted))))
}

// judge says whose fault a failed run is.
func (r *run) judge(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if refusal := differingAxes(r.model.inputs, r.inputs); refusal != nil {
		return clientError{refusal, err}
	}
	return r.model.runError(err)
}

// collect copies the outputs that the runtime allocated into Go memory.
func (r *run) collect() error {
	tensors := unsafe.Slice(r.slot.call.out, len(r.wanted))
	for i := range r.results {
		if result := &r.results[i]; result.Data == nil {
			if err := r.copyOut(result, &tensors[i]); err != nil {
				return err
			}
			if p := r.model.predictions[r.wanted[i]]; p != nil {
				p.checkWrong(r.inputs, result.Shape)
			}
		}
	}
	return nil
}

func (r *run) copyOut(result *oip.Tensor, t *C.gn_tensor) error {
	if t.rank > C.GN_MAX_RANK {
		return oip.Errorf(oip.InvalidArgument, "output %q would have %d dimensions: at most %d can be served", result.Name, t.rank, C.GN_MAX_RANK)
	}
	result.Shape = make([]int64, t.rank)
	for i := range result.Shape {
		result.Shape[i] = int64(t.shape[i])
	}
	if result.Datatype == oip.Bytes {
		if _, err := r.claim(result.Name, []int64{int64(t.bytes)}, 1); err != nil {
			return err
		}
		result.Data = make([]byte, t.bytes)
		return r.library.take(C.gn_take_strings(r.library.ort, t, unsafe.Pointer(unsafe.SliceData(result.Data))))
	}
	bytes, err := r.claim(result.Name, result.Shape, int64(result.Datatype.Size()))
	if err != nil {
		return err
	}
	result.Data = append(make([]byte, 0, bytes), unsafe.Slice((*byte)(t.result), bytes)...)
	return nil
}
