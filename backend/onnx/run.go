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
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// run is one inference, from the order of its tensors to its results. A runner uses one for all of its runs, so that what
// it needs is allocated once.
type run struct {
	model   *model
	session *session
	library library
	slot    *slot

	inputs  []*oip.Tensor      // in the model's order
	wanted  []int              // indices of the model's outputs, in the caller's order
	results *scheduler.Results // parallel to wanted
	given   []bool             // parallel to wanted: whether the runtime writes into memory of results
	total   int64              // bytes of results
	aligned [][]byte           // by input: where a tensor is copied to that does not lie as its type wants

	dims [oip.MaxRank]int64 // of the output at hand
}

// order puts the tensors into the model's order and checks what C will trust.
func (r *run) order(inputs []oip.Tensor, outputs []string) error {
	r.inputs, r.wanted = r.inputs[:0], r.wanted[:0]
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

// make runs the model and puts its outputs into results. Nobody else uses ctx's end to stop the run: see runner.Stop.
func (r *run) make(ctx context.Context) error {
	call := r.slot.call
	C.gn_grow(call, C.size_t(len(r.model.inputs)), C.size_t(len(r.model.outputs)))
	r.bindInputs()
	predicted, err := r.bindOutputs(true)
	if err != nil {
		return err
	}
	err = r.execute()
	if err != nil && predicted && ctx.Err() == nil && r.maybeMispredicted(err) {
		// If no prediction was wrong, this fails in the same way again.
		r.results.Reset()
		if _, err := r.bindOutputs(false); err != nil {
			return err
		}
		err = r.execute()
	}
	if err != nil {
		return r.judge(ctx, err)
	}
	defer C.gn_release(r.library.ort, call, C.size_t(len(r.wanted)))
	r.model.worked.Store(true)
	return r.collect()
}

func (r *run) execute() error {
	err := r.library.take(C.gn_run(r.library.ort, r.session.handle, r.slot.call, C.size_t(len(r.inputs)), C.size_t(len(r.wanted))))
	if err != nil && r.session.device.isGPU() {
		r.model.engine.examine(r.session.device, err)
	}
	return err
}

func (r *run) bindInputs() {
	tensors := unsafe.Slice(r.slot.call.in, len(r.inputs))
	names := unsafe.Slice(r.slot.call.in_names, len(r.inputs))
	for i, t := range r.inputs {
		names[i] = r.model.inputNames[i]
		r.bind(&tensors[i], t.Datatype, t.Shape, r.align(i, t))
	}
}

// align returns the data of input i, or a copy where it is not aligned for its type, as a binary tensor in the middle of a
// request body may be.
func (r *run) align(i int, t *oip.Tensor) []byte {
	size := t.Datatype.Size()
	if size <= 1 || len(t.Data) == 0 || uintptr(unsafe.Pointer(&t.Data[0]))%uintptr(size) == 0 {
		return t.Data
	}
	for i >= len(r.aligned) {
		r.aligned = append(r.aligned, nil)
	}
	if cap(r.aligned[i]) < len(t.Data) {
		r.aligned[i] = make([]byte, 0, max(len(t.Data), leastAligned))
	}
	r.aligned[i] = append(r.aligned[i][:0], t.Data...)
	return r.aligned[i]
}

const (
	// leastAligned is the size from which on fresh memory is aligned for every element: a smaller one need not be.
	leastAligned = 64

	// keepAligned is how much of a copy is kept for the next run.
	keepAligned = 1 << 20
)

// forget lets go of the request's memory and of copies too large to keep.
func (r *run) forget() {
	clear(r.inputs)
	r.results = nil
	for i := range r.aligned {
		if cap(r.aligned[i]) > keepAligned {
			r.aligned[i] = nil
		}
	}
}

// bindOutputs names the wanted outputs and, if asked to, gives memory to those whose shape can be told, which it reports.
func (r *run) bindOutputs(predict bool) (predicted bool, err error) {
	tensors := unsafe.Slice(r.slot.call.out, len(r.wanted))
	names := unsafe.Slice(r.slot.call.out_names, len(r.wanted))
	r.given, r.total = r.given[:0], 0
	for i, output := range r.wanted {
		spec, prediction := &r.model.outputs[output], r.model.predictions[output]
		names[i] = r.model.outputNames[output]
		tensors[i] = C.gn_tensor{}
		var shape []int64
		var bytes int64
		if predict && prediction != nil && !prediction.wrong.Load() {
			shape = prediction.shape(r.dims[:0], r.inputs)
			if bytes, err = r.claim(spec.Name, shape, int64(spec.Datatype.Size())); err != nil {
				return false, err
			}
		}
		data := r.results.Add(spec.Name, spec.Datatype, shape, int(bytes))
		if r.given = append(r.given, bytes > 0); bytes > 0 {
			r.bind(&tensors[i], spec.Datatype, shape, data)
			predicted = true
		}
	}
	return predicted, nil
}

// claim adds an output's size to the run's total and returns it, unless that is over the limit.
func (r *run) claim(output string, shape []int64, elementSize int64) (int64, error) {
	count, err := oip.ElementCount(shape)
	if err != nil || count > r.model.maxOutput/elementSize {
		return 0, r.tooLarge(output, shape)
	}
	return count * elementSize, r.claimBytes(output, shape, count*elementSize)
}

func (r *run) claimBytes(output string, shape []int64, bytes int64) error {
	if bytes > r.model.maxOutput-r.total {
		return r.tooLarge(output, shape)
	}
	r.total += bytes
	return nil
}

func (r *run) tooLarge(output string, shape []int64) error {
	return oip.Errorf(oip.InvalidArgument,
		"output %q of shape %v would take the outputs of this request over the limit of %d bytes: send less at a time, or ask for fewer outputs",
		output, shape, r.model.maxOutput)
}

// bind describes a tensor to C. Its data is pinned until the slot is released.
func (r *run) bind(dst *C.gn_tensor, datatype oip.Datatype, shape []int64, data []byte) {
	*dst = C.gn_tensor{
		bytes:   C.uint64_t(len(data)),
		rank:    C.size_t(len(shape)),
		element: C.uint(elementOf(datatype)),
	}
	count := int64(1)
	for i, size := range shape {
		dst.shape[i] = C.int64_t(size)
		count *= size
	}
	dst.count = C.uint64_t(count)
	if len(data) == 0 {
		return
	}
	r.slot.pin.Pin(&data[0])
	dst.memory = C.uintptr_t(uintptr(unsafe.Pointer(&data[0])))
}

// judge says whose fault a failed run is.
func (r *run) judge(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if refusal := differingAxes(r.model.inputs, r.inputs); refusal != nil {
		return clientError{refusal, err}
	}
	return r.runError(err)
}

// collect copies the outputs that the runtime allocated.
func (r *run) collect() error {
	tensors := unsafe.Slice(r.slot.call.out, len(r.wanted))
	for i, output := range r.wanted {
		if r.given[i] {
			continue
		}
		shape, err := r.copyOut(i, &r.model.outputs[output], &tensors[i])
		if err != nil {
			return err
		}
		if p := r.model.predictions[output]; p != nil && !p.fits(r.inputs, shape) {
			p.wrong.Store(true)
		}
	}
	return nil
}

// copyOut copies output i of the results and returns its shape.
func (r *run) copyOut(i int, spec *backend.Spec, t *C.gn_tensor) ([]int64, error) {
	if t.rank > C.GN_MAX_RANK {
		return nil, oip.Errorf(oip.InvalidArgument, "output %q would have %d dimensions: at most %d can be served", spec.Name, t.rank, C.GN_MAX_RANK)
	}
	shape := r.dims[:t.rank]
	for dim := range shape {
		shape[dim] = int64(t.shape[dim])
	}
	if spec.Datatype == oip.Bytes {
		if err := r.claimBytes(spec.Name, shape, int64(t.bytes)); err != nil {
			return nil, err
		}
		data := r.results.Resize(i, shape, int(t.bytes))
		return shape, r.library.take(C.gn_take_strings(r.library.ort, t, unsafe.Pointer(unsafe.SliceData(data))))
	}
	bytes, err := r.claim(spec.Name, shape, int64(spec.Datatype.Size()))
	if err != nil {
		return nil, err
	}
	copy(r.results.Resize(i, shape, int(bytes)), unsafe.Slice((*byte)(t.result), bytes))
	return shape, nil
}
