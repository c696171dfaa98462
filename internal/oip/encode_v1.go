package oip

// AppendV1Predictions appends outputs as a KServe v1 answer, {"predictions":[…]}: a list of rows for one output, a list
// of objects with the outputs' names for several. Rows are nested as the output's shape is behind its first dimension,
// in which all outputs must agree.
func AppendV1Predictions(dst []byte, outputs []OutputTensor) ([]byte, error) {
	rows, err := batchOf(outputs)
	if err != nil {
		return dst, err
	}
	writers := make([]valueWriter, len(outputs))
	for i := range outputs {
		if writers[i], err = newValueWriter(&outputs[i].Tensor, v1Hint); err != nil {
			return dst, err
		}
	}
	dst = append(dst, `{"predictions":[`...)
	for row := range rows {
		if row > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendPrediction(dst, writers); err != nil {
			return dst, err
		}
	}
	return append(dst, "]}"...), nil
}

// batchOf returns the first dimension of the outputs.
func batchOf(outputs []OutputTensor) (rows int64, err error) {
	for i := range outputs {
		o := &outputs[i]
		if len(o.Shape) == 0 {
			return 0, Errorf(Unsupported, "output %s has no batch dimension, which v1 predict needs; use /v2/models/NAME/infer",
				quoted(o.Name))
		}
		if i > 0 && o.Shape[0] != rows {
			return 0, Errorf(Unsupported, "outputs %s and %s differ in their batch dimension (%d, %d), so v1 predict cannot pair "+
				"their rows; use /v2/models/NAME/infer", quoted(outputs[0].Name), quoted(o.Name), rows, o.Shape[0])
		}
		rows = o.Shape[0]
		if extent, ok := extentOf(o.Shape); len(o.Data) == 0 && (!ok || extent > emptyRows) {
			return 0, Errorf(Unsupported, "output %s is empty but has shape %s, too many empty rows for v1 predict; use "+
				"/v2/models/NAME/infer", quoted(o.Name), shapeText(o.Shape))
		}
	}
	return rows, nil
}

// emptyRows bounds what an output without elements may be spelled out to: a pair of brackets for each of its rows. No
// request has more instances than this, and without it a shape of [1000000000,0] would become gigabytes.
const emptyRows = 1 << 20

// appendPrediction appends the next row of each writer.
func appendPrediction(dst []byte, writers []valueWriter) (out []byte, err error) {
	if len(writers) == 1 {
		return writers[0].appendNested(dst, writers[0].tensor.Shape[1:])
	}
	dst = append(dst, '{')
	for i := range writers {
		w := &writers[i]
		dst = appendComma(dst, i)
		dst = AppendJSONString(dst, w.tensor.Name)
		dst = append(dst, ':')
		if dst, err = w.appendNested(dst, w.tensor.Shape[1:]); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendNested appends the next elements as arrays nested like dims; none are a single element.
func (w *valueWriter) appendNested(dst []byte, dims []int64) (out []byte, err error) {
	if len(dims) == 0 {
		return w.appendRow(dst, 1)
	}
	dst = append(dst, '[')
	if len(dims) == 1 {
		dst, err = w.appendRow(dst, dims[0])
		return append(dst, ']'), err
	}
	for i := range dims[0] {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = w.appendNested(dst, dims[1:]); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}
