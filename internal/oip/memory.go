package oip

// memory is what a message keeps from one decode to the next, so that a busy edge decodes without allocating.
type memory struct {
	scan     scanner
	names    names
	shapes   []int64     // the shapes of all tensors, one behind the other
	data     []byte      // the data of all tensors that came as JSON, one behind the other
	wires    []wire      // beside each tensor while it is decoded
	explicit []bool      // beside each requested output: it says for itself whether it is to be binary
	columns  []column    // for DecodeV1
	flat     [1]int64    // the shape of flat data, here because an arrayReader's dims escape
	params   []Parameter // those of the input tensors, one behind the other

	// For DecodeProto: the raw contents in order, and beside each tensor its typed contents. Both alias the message.
	raws     [][]byte
	contents [][]byte
}

// reset forgets the last message. What was handed out of shapes and data may be overwritten from now on.
func (m *memory) reset(json []byte) {
	m.scan.reset(json)
	m.shapes = m.shapes[:0]
	m.data = m.data[:0]
	m.wires = m.wires[:0]
	m.explicit = m.explicit[:0]
	m.params = m.params[:0]
}

// shrink drops buffers beyond keep bytes and every alias of a body.
func (m *memory) shrink(keep int) {
	m.scan.reset(nil)
	clear(m.raws[:cap(m.raws)])
	clear(m.contents[:cap(m.contents)])
	clear(m.params[:cap(m.params)])
	if cap(m.data) > keep {
		m.data = nil
	}
	if cap(m.scan.text) > keep {
		m.scan.text = nil
	}
	columns := m.columns[:cap(m.columns)]
	for i := range columns {
		if cap(columns[i].data) > keep {
			columns[i].data = nil
		}
	}
}

// names remembers short strings, so that the names in requests for the same models are allocated once. It holds a fixed
// number of them, whatever clients send, and each is an ordinary string: what it hands out may be kept.
type names struct {
	slots [32]string // a power of two, more than the names of a handful of models
}

// namesLongest is the longest name worth remembering: with the slots it bounds what is held to 4 KiB.
const namesLongest = 128

// of returns b as a string.
func (n *names) of(b []byte) string {
	if len(b) > namesLongest {
		return string(b)
	}
	hash := uint32(2166136261) // FNV-1a; a collision costs an allocation, nothing else
	for _, c := range b {
		hash = (hash ^ uint32(c)) * 16777619
	}
	slot := &n.slots[(hash^hash>>16)%uint32(len(n.slots))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
