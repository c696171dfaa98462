package scheduler

import "ganglion/internal/oip"

// Results receives the outputs of one run. They stay where the Runner has put them until the last request of the batch has
// released them: a request's outputs are cut out of them, not copied.
type Results struct {
	tensors []oip.Tensor
	rooms   []*room // for tensors, by index; kept from run to run
	memory  Memory
}

// room is the memory of one output.
type room struct {
	data buffer
	dims [oip.MaxRank]int64
}

// Add appends an output and returns size bytes of memory for its data, whose content is undefined until the Runner has
// written it. shape is copied.
func (r *Results) Add(name string, datatype oip.Datatype, shape []int64, size int) []byte {
	i := len(r.tensors)
	if i == len(r.rooms) {
		r.rooms = append(r.rooms, new(room))
	}
	room := r.rooms[i]
	data := room.data.take(r.memory, size)
	r.tensors = append(r.tensors, oip.Tensor{
		Name: name, Datatype: datatype, Shape: append(room.dims[:0], shape...), Data: data,
	})
	return data
}

// NewResults returns results for a run that is made without a scheduler; they are never given back. Memory may be nil, for
// Go's heap.
func NewResults(memory Memory) *Results {
	if memory == nil {
		memory = heapMemory{}
	}
	return &Results{memory: memory}
}

// Resize gives output i, which Add has appended, another shape and size bytes of memory: what an output takes may be known
// only when the run is over. The memory that Add returned is not to be used any more.
func (r *Results) Resize(i int, shape []int64, size int) []byte {
	room := r.rooms[i]
	t := &r.tensors[i]
	t.Shape, t.Data = append(room.dims[:0], shape...), room.data.take(r.memory, size)
	return t.Data
}

// Tensors are the outputs so far, to be read only.
func (r *Results) Tensors() []oip.Tensor { return r.tensors }

// Put appends an output that has memory of its own, which the Runner hands over: it neither reads nor writes shape and data
// again.
func (r *Results) Put(t oip.Tensor) {
	if len(r.tensors) == len(r.rooms) {
		r.rooms = append(r.rooms, new(room))
	}
	r.tensors = append(r.tensors, t)
}

// Reset takes all outputs out again, for a Runner that has to begin anew.
func (r *Results) Reset() {
	clear(r.tensors)
	r.tensors = r.tensors[:0]
}

// bytes is how much memory is kept.
func (r *Results) bytes() (total int64) {
	for _, room := range r.rooms {
		total += int64(len(room.data.data))
	}
	return total
}

// free gives all memory back.
func (r *Results) free() {
	for _, room := range r.rooms {
		room.data.free(r.memory)
	}
}

// forget leaves all memory, and what is in it, to whoever may still be writing to it.
func (r *Results) forget() {
	r.tensors, r.rooms = nil, nil
}
