package loadgen

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"ganglion/internal/oip"
)

// maxQuestionBytes bounds one question. Whoever means to send more has asked for a shape by mistake.
const maxQuestionBytes = 256 << 20

// questions makes n different requests that a model of this kind takes, always the same for the same model: values are drawn
// with a fixed seed. Variable dimensions get their size from shapes; where it has none for an input the first one, which
// is the batch, is batch, and any other is refused with the name of the input.
func questions(meta oip.ModelMetadata, n int, batch int64, shapes map[string][]int64) ([]oip.InferRequest, error) {
	resolved := make([][]int64, len(meta.Inputs))
	known := map[string]bool{}
	for i, input := range meta.Inputs {
		known[input.Name] = true
		shape, err := resolve(input, batch, shapes[input.Name])
		if err != nil {
			return nil, err
		}
		resolved[i] = shape
	}
	for name := range shapes {
		if !known[name] {
			return nil, fmt.Errorf("a shape for input %q, but model %q has the inputs %s", name, meta.Name, names(meta.Inputs))
		}
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same questions every time are what is wanted
	all := make([]oip.InferRequest, n)
	for i := range all {
		for j, input := range meta.Inputs {
			count, err := oip.ElementCount(resolved[j])
			if err != nil || count > maxQuestionBytes/8 {
				return nil, fmt.Errorf("input %q of shape %v is too large to be sent", input.Name, resolved[j])
			}
			all[i].Inputs = append(all[i].Inputs, oip.Tensor{
				Name: input.Name, Datatype: input.Datatype, Shape: resolved[j], Data: draw(random, input.Datatype, count),
			})
		}
	}
	return all, nil
}

// resolve gives every dimension of an input a size.
func resolve(input oip.TensorMetadata, batch int64, asked []int64) ([]int64, error) {
	shape := append([]int64{}, input.Shape...)
	if asked != nil {
		// Both the whole shape and the shape of one row are common ways to say it.
		if len(asked) == len(shape)-1 {
			asked = append([]int64{batch}, asked...)
		}
		if len(asked) != len(shape) {
			return nil, fmt.Errorf("shape %v for input %q, which has the shape %v", asked, input.Name, input.Shape)
		}
		for i, size := range input.Shape {
			if asked[i] < 0 || size >= 0 && size != asked[i] {
				return nil, fmt.Errorf("shape %v for input %q, which has the shape %v", asked, input.Name, input.Shape)
			}
		}
		return asked, nil
	}
	for i, size := range shape {
		switch {
		case size >= 0:
		case i == 0:
			shape[i] = batch
		case input.Datatype == oip.Uint8: // rows of text
			shape[i] = 32
		default:
			return nil, fmt.Errorf("input %q has the shape %v: say how large its variable dimensions are, as in --shape %s=%s",
				input.Name, input.Shape, input.Name, example(shape))
		}
	}
	return shape, nil
}

// example is a shape that would be accepted, "1x16".
func example(shape []int64) string {
	parts := make([]string, len(shape))
	for i, size := range shape {
		if size < 0 {
			size = 16
		}
		parts[i] = fmt.Sprint(size)
	}
	return strings.Join(parts, "x")
}

func names(inputs []oip.TensorMetadata) string {
	quoted := make([]string, len(inputs))
	for i, input := range inputs {
		quoted[i] = fmt.Sprintf("%q", input.Name)
	}
	return strings.Join(quoted, ", ")
}

// draw makes the data of a tensor: small numbers that no model chokes on, letters for bytes and strings.
func draw(random *rand.Rand, datatype oip.Datatype, count int64) []byte {
	var data []byte
	for range count {
		switch datatype {
		case oip.Bytes:
			data = oip.AppendBytesElement(data, word(random))
		case oip.Uint8:
			data = append(data, 'a'+byte(random.IntN(26)))
		case oip.Bool, oip.Int8:
			data = append(data, byte(random.IntN(2)))
		case oip.FP16:
			data = binary.LittleEndian.AppendUint16(data, uint16(random.IntN(0x3c00))) // 0 to 1
		case oip.BF16:
			data = binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(random.Float32())>>16))
		case oip.FP32:
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(random.Float32()))
		case oip.FP64:
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(random.Float64()))
		default:
			// Class numbers and token ids begin at 0, and every model has two of them.
			number := binary.LittleEndian.AppendUint64(nil, uint64(random.IntN(2)))
			data = append(data, number[:datatype.Size()]...)
		}
	}
	return data
}

// word is a string of one to eight letters.
func word(random *rand.Rand) string {
	b := make([]byte, 1+random.IntN(8))
	for i := range b {
		b[i] = 'a' + byte(random.IntN(26))
	}
	return string(b)
}
