package scheduler

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"ganglion/internal/oip"
)

// Ragged declares a dimension, called its length here, that requests of one batch may have in different sizes: a number of
// tokens, or of samples. The shorter ones are padded to the longest of the batch, never beyond.
type Ragged struct {
	// Inputs are the inputs that have the dimension. A request brings all of them with the same length.
	Inputs []RaggedInput

	// Mask tells the model what is padding, if it wants to know.
	Mask Mask

	// Outputs are the outputs that have the dimension, in which each request gets its own length back.
	Outputs []RaggedOutput

	// Buckets are the lengths that bound the padding, ascending: requests share a batch when the smallest bucket that holds
	// them is the same. Lengths beyond the last share a batch with their equals only. See Buckets.
	Buckets []int64
}

// RaggedInput is an input with a ragged dimension.
type RaggedInput struct {
	Name     string
	Axis     int // index of the dimension, at least 1
	Datatype oip.Datatype
	Value    []byte // one element to pad with: its bytes as in a tensor, for BYTES without the length; nil is zero or ""
}

// RaggedOutput is an output with a ragged dimension.
type RaggedOutput struct {
	Name string
	Axis int // index of the dimension, at least 1
}

// Mask is an input of shape [rows, length] that is 1 where data is and 0 where padding is. A request that brings the input
// has it padded with 0; for one that does not, it is made.
type Mask struct {
	Name     string // "" is no mask
	Datatype oip.Datatype
}

// maxRagged is how many independent ragged dimensions a model may declare. Encoder-decoder models have two.
const maxRagged = 4

// Buckets returns buckets up to the length longest in which no more than the share waste (over 0, under 1) of a padded tensor
// is padding.
func Buckets(longest int64, waste float64) []int64 {
	var buckets []int64
	for size := int64(0); size < longest; {
		// The shortest tensor of the next bucket is size+1 long; the bucket ends where padding it would waste more.
		next := float64(size+1) / (1 - min(max(waste, 0), 0.99))
		size = min(max(size+1, int64(math.Floor(next+1e-9))), longest)
		buckets = append(buckets, size)
	}
	return buckets
}

// checkRagged returns what is wrong with the declarations.
func checkRagged(groups []Ragged, maxBatchSize int) []error {
	c := raggedCheck{seen: map[string]bool{}}
	if len(groups) > maxRagged {
		c.refuse("%d ragged dimensions: at most %d are supported", len(groups), maxRagged)
	}
	if len(groups) > 0 && maxBatchSize == 0 {
		c.refuse("ragged dimensions are of no use to a model that does not batch (max batch size 0)")
	}
	for i := range groups {
		c.group(i, &groups[i])
	}
	return c.problems
}

// raggedCheck collects what is wrong.
type raggedCheck struct {
	problems []error
	seen     map[string]bool // "input x", "output y"
}

func (c *raggedCheck) refuse(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (c *raggedCheck) group(i int, group *Ragged) {
	if len(group.Inputs) == 0 || len(group.Buckets) == 0 {
		c.refuse("ragged dimension %d: needs at least one input and one bucket", i)
	}
	if !slices.IsSorted(group.Buckets) || len(group.Buckets) > 0 && group.Buckets[0] < 1 {
		c.refuse("ragged dimension %d: buckets %d must be positive and ascend", i, group.Buckets)
	}
	for _, input := range group.Inputs {
		c.tensor("input", input.Name, input.Axis)
		if size := input.Datatype.Size(); input.Datatype != oip.Bytes && input.Value != nil && len(input.Value) != size {
			c.refuse("ragged input %q: a pad value of %d bytes is no element of %s", input.Name, len(input.Value), input.Datatype)
		}
	}
	if group.Mask.Name != "" {
		c.tensor("input", group.Mask.Name, maskAxis)
		if maskElement(group.Mask.Datatype) == nil {
			c.refuse("mask %q: %s has no 1 and 0", group.Mask.Name, group.Mask.Datatype)
		}
	}
	for _, output := range group.Outputs {
		c.tensor("output", output.Name, output.Axis)
	}
}

func (c *raggedCheck) tensor(kind, name string, axis int) {
	key := kind + " " + name
	if name == "" || c.seen[key] {
		c.refuse("ragged %s %q: must have a name, and may have one ragged dimension only", kind, name)
	}
	c.seen[key] = true
	if axis < 1 || axis >= oip.MaxRank {
		c.refuse("ragged %s %q: axis %d must be between 1 and %d (0 is the batch)", kind, name, axis, oip.MaxRank-1)
	}
}

// maskAxis is where a mask has the length.
const maskAxis = 1

// maskElement returns the 1 of a datatype, nil when it has none.
func maskElement(d oip.Datatype) []byte {
	switch d {
	case oip.FP32:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(1))
	case oip.FP64:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(1))
	case oip.FP16:
		return []byte{0x00, 0x3c}
	case oip.BF16:
		return []byte{0x80, 0x3f}
	default:
		if d.Size() == 0 {
			return nil
		}
		one := make([]byte, d.Size())
		one[0] = 1
		return one
	}
}
