package backend_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
)

const languageOnly = `,"outputs":[{"name":"language"}]}`

// TestTextForms: every way to send text means the same, and the bytes themselves may still be sent.
func TestTextForms(t *testing.T) {
	n := startNode(t, demoModels(t))
	const path = "/v2/models/language_id/infer"
	const text = "Where is the nearest railway station, please?"
	const want = `"outputs":[{"name":"language","datatype":"BYTES","shape":[1],"data":["English"]}]}`
	n.post(path, `{"inputs":[{"name":"bytes","shape":[1],"datatype":"BYTES","data":["`+text+`"]}]`+languageOnly).want(t, 200, want)
	n.post(path, `{"inputs":[{"name":"bytes","shape":[1,1],"datatype":"BYTES","data":[["`+text+`"]]}]`+languageOnly).want(t, 200, want)

	var numbers []string
	for _, b := range []byte(text) {
		numbers = append(numbers, strconv.Itoa(int(b)))
	}
	n.post(path, fmt.Sprintf(`{"inputs":[{"name":"bytes","shape":[1,%d],"datatype":"UINT8","data":[%s]}]`+languageOnly, len(text), strings.Join(numbers, ","))).want(t, 200, want)

	header := fmt.Sprintf(`{"inputs":[{"name":"bytes","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":%d}}]`+languageOnly, 4+len(text))
	blob := oip.AppendBytesElement(nil, text)
	n.do("POST", path, strings.NewReader(header+string(blob)), oip.HeaderLengthName, strconv.Itoa(len(header))).want(t, 200, want)

	raw := n.do("POST", path, strings.NewReader(text), oip.HeaderLengthName, "0")
	if raw.status != 200 || !strings.Contains(raw.body, "English") || raw.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("raw: got %d %q", raw.status, raw.body)
	}
	n.get("/v2/models/language_id").want(t, 200, `"inputs":[{"name":"bytes","datatype":"UINT8","shape":[-1,-1]}]`)
}

// TestEmptyText: no text is text too; a row is at least one byte long.
func TestEmptyText(t *testing.T) {
	n := startNode(t, demoModels(t))
	got := n.post("/v2/models/language_id/infer", textRequest("", "", "Guten Morgen, wie geht es Ihnen?", "")).outputs(t)
	if fmt.Sprint(got["language"].Shape) != "[4]" || got["language"].Data[2] != "German" {
		t.Errorf("got %+v", got["language"])
	}
	n.post("/v2/models/language_id/infer", textRequest("")).want(t, 200, `"language"`)
}

// TestTextOnlyWhereConfigured: without config.toml the model takes bytes only.
func TestTextOnlyWhereConfigured(t *testing.T) {
	dir := t.TempDir()
	model, err := filepath.Abs(filepath.Join(demoModels(t), "language_id", "1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, model, filepath.Join(dir, "plain", "1", "model.onnx"))
	n := startNode(t, dir)
	n.post("/v2/models/plain/infer", textRequest("hello")).want(t, 400, "UINT8")
}

// TestTextOutOfProportion: one long string among very many short ones would be padded to far more than was sent.
func TestTextOutOfProportion(t *testing.T) {
	n := startNode(t, demoModels(t))
	texts := make([]string, 1_000_000)
	texts[500_000] = strings.Repeat("a", 100_000)
	request := textRequest(texts...)
	peak := peakMemory(t, func() {
		n.post("/v2/models/language_id/infer", request).
			want(t, 400, `input \"bytes\": 1000000 strings padded to the longest, 100000 bytes, make more than the limit of`)
	})
	if sent := 4 * len(texts); peak > 100*sent {
		t.Errorf("the process took %d bytes for a request of %d", peak, sent)
	}
	n.post("/v2/models/language_id/infer", textRequest("hello there, how are you?")).want(t, 200, "English")
}

// TestBinaryTensors: the binary extension in both directions.
func TestBinaryTensors(t *testing.T) {
	n := startNode(t, demoModels(t))
	header := `{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}],` +
		`"outputs":[{"name":"species","parameters":{"binary_data":true}},{"name":"label"},{"name":"probabilities","parameters":{"binary_data":true}}]}`
	var blob []byte
	for _, v := range []uint32{0x40a33333, 0x40600000, 0x3fb33333, 0x3e4ccccd} { // 5.1, 3.5, 1.4, 0.2
		blob = binary.LittleEndian.AppendUint32(blob, v)
	}
	a := n.do("POST", "/v2/models/iris/infer", strings.NewReader(header+string(blob)), oip.HeaderLengthName, strconv.Itoa(len(header)))
	length, err := strconv.Atoi(a.header.Get(oip.HeaderLengthName))
	if a.status != 200 || err != nil || a.header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("got %d %v %q", a.status, a.header, a.body)
	}
	var response oip.InferResponse
	if err := response.Decode([]byte(a.body), length, oip.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	if got := string(response.Outputs[0].Data); got != "\x06\x00\x00\x00setosa" {
		t.Errorf("species: got %q", got)
	}
	if !strings.Contains(a.body[:length], `"data":[0]`) {
		t.Errorf("label is not JSON in %s", a.body[:length])
	}
	if len(response.Outputs[2].Data) != 12 {
		t.Errorf("probabilities: got %d bytes", len(response.Outputs[2].Data))
	}
}

// TestHalfFloats: FP16 travels as binary data only, and JSON is told so.
func TestHalfFloats(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, halfIdentity(), filepath.Join(dir, "half", "1", "model.onnx"))
	n := startNode(t, dir)
	header := `{"inputs":[{"name":"x","shape":[1],"datatype":"FP16","parameters":{"binary_data_size":2}}]%s}`
	asJSON := fmt.Sprintf(header, "")
	n.do("POST", "/v2/models/half/infer", strings.NewReader(asJSON+"\x00\x3c"), oip.HeaderLengthName, strconv.Itoa(len(asJSON))).
		want(t, 400, "binary data")
	asBinary := fmt.Sprintf(header, `,"parameters":{"binary_data_output":true}`)
	a := n.do("POST", "/v2/models/half/infer", strings.NewReader(asBinary+"\x00\x3c"), oip.HeaderLengthName, strconv.Itoa(len(asBinary)))
	if a.status != 200 || !strings.HasSuffix(a.body, "}\x00\x3c") {
		t.Errorf("got %d %q", a.status, a.body)
	}
}
