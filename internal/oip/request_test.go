package oip

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// decode reads a JSON request, which has to be accepted.
func decode(t *testing.T, body string) *InferRequest {
	t.Helper()
	var r InferRequest
	if err := r.Decode([]byte(body), NoHeaderLength, DefaultLimits()); err != nil {
		t.Fatalf("%s is refused: %v", body, err)
	}
	return &r
}

// refuse reads a request that has to be refused and returns the error.
func refuse(t *testing.T, body string, headerLen int, lim Limits) *Error {
	t.Helper()
	var r InferRequest
	err := r.Decode([]byte(body), headerLen, lim)
	if err == nil {
		t.Fatalf("%.200s is accepted", body)
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%.200s is refused with %T %v, want *Error", body, err, err)
	}
	if len(r.Inputs)+len(r.Outputs)+len(r.Parameters) > 0 || r.ID != "" {
		t.Errorf("%.200s is refused and leaves something in the request", body)
	}
	return e
}

// input wraps the members of one input into a request.
func input(members string) string { return `{"inputs":[{"name":"x",` + members + `}]}` }

func TestDecodeAcceptsMembersInAnyOrder(t *testing.T) {
	want := decode(t, irisBody)
	for _, body := range []string{
		`{"inputs":[{"data":[5.1,3.5,1.4,0.2],"datatype":"FP32","shape":[1,4],"name":"input"}],"id":"7"}`,
		`{"inputs":[{"data":[[5.1,3.5,1.4,0.2]],"name":"input","datatype":"FP32","shape":[1,4]}],"id":"7"}`,
		`{"inputs":[{"shape":[1,4],"data":[[5.1,3.5,1.4,0.2]],"name":"input","datatype":"FP32"}],"id":"7"}`,
		"{ \"id\" : \"7\" ,\n\t\"inputs\" : [ { \"name\" : \"input\" , \"shape\" : [ 1 , 4 ] , \"datatype\" : \"FP32\" ,\r\n" +
			" \"data\" : [ [ 5.1 , 3.5 , 1.4 , 0.2 ] ] } ] } ",
		`{"id":"7","unknown":{"a":[1,{"b":null}]},"inputs":[{"name":"input","later":[[[]]],"shape":[1,4],"datatype":"FP32",` +
			`"data":[5.1,3.5,1.4,0.2],"parameters":{}}]}`,
		`{"\u0069d":"\u0037","inputs":[{"n\u0061me":"inp\u0075t","shape":[1,4],"datatype":"FP32","data":[51e-1,35E-1,0.14e1,2.0e-1]}]}`,
		`{"id":"7","parameters":null,"outputs":null,"inputs":[{"name":"input","shape":[1,4],"parameters":null,"datatype":"FP32",` +
			`"data":[5.1,3.5,1.4,0.2]}]}`,
	} {
		got := decode(t, body)
		if got.ID != want.ID || !reflect.DeepEqual(got.Inputs, want.Inputs) {
			t.Errorf("%s reads as %+v, want %+v", body, got, want)
		}
	}
}

func TestDecodeReadsEverything(t *testing.T) {
	r := decode(t, `{"id":"é\"1","parameters":{"sequence_id":18446744073709551615,"sequence_start":true,"priority":2,"timeout":50,
		"custom":"text","scale":0.5,"neg":-3,"binary_data_output":true,"none":null},
		"inputs":[{"name":"a","shape":[2],"datatype":"BYTES","data":["x\ud83d\ude00","" ]},{"name":"b","shape":[],"datatype":"BOOL","data":[true]}],
		"outputs":[{"name":"y"},{"name":"z","parameters":{"binary_data":false,"other":1}}]}`)
	if r.ID != `é"1` || !r.BinaryDefault || r.BinaryInputs {
		t.Errorf("id %q, binary default %t, binary inputs %t", r.ID, r.BinaryDefault, r.BinaryInputs)
	}
	wantParameters := Parameters{
		{"sequence_id", Unsigned(18446744073709551615)},
		{"sequence_start", Boolean(true)},
		{"priority", Integer(2)},
		{"timeout", Integer(50)},
		{"custom", String("text")},
		{"scale", Float(0.5)},
		{"neg", Integer(-3)},
	}
	if !reflect.DeepEqual(r.Parameters, wantParameters) {
		t.Errorf("parameters %v, want %v", r.Parameters, wantParameters)
	}
	if want := "\x05\x00\x00\x00x😀\x00\x00\x00\x00"; string(r.Inputs[0].Data) != want {
		t.Errorf("BYTES data %q, want %q", r.Inputs[0].Data, want)
	}
	if string(r.Inputs[1].Data) != "\x01" || len(r.Inputs[1].Shape) != 0 {
		t.Errorf("scalar reads as %+v", r.Inputs[1])
	}
	if want := []RequestedOutput{{Name: "y", Binary: true}, {Name: "z"}}; !reflect.DeepEqual(r.Outputs, want) {
		t.Errorf("outputs %v, want %v", r.Outputs, want)
	}
	if !r.WantsBinary("y") || r.WantsBinary("z") || !r.WantsBinary("not named") {
		t.Error("WantsBinary does not follow output, then default")
	}
}

func TestDecodeAcceptsEmptyTensors(t *testing.T) {
	for _, members := range []string{
		`"shape":[0],"datatype":"FP32","data":[]`,
		`"shape":[0,4],"datatype":"FP32","data":[]`,
		`"shape":[2,0],"datatype":"FP32","data":[[],[]]`,
		`"shape":[2,0],"datatype":"BYTES","data":[]`,
		`"shape":[1,2,0],"datatype":"INT8","data":[[[],[]]]`,
	} {
		r := decode(t, input(members))
		if len(r.Inputs[0].Data) != 0 {
			t.Errorf("%s has data %v", members, r.Inputs[0].Data)
		}
	}
}

func TestDecodeRefusals(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`[]`, `the request is an array, expected an object`},
		{``, `invalid JSON at byte 0: input ends, expected a value for the request`},
		{`{}`, `the request has no "inputs"`},
		{`{"inputs":null}`, `"inputs" is null, expected an array`},
		{`{"inputs":{}}`, `"inputs" is an object, expected an array`},
		{`{"inputs":[1]}`, `inputs[0] is a number, expected an object`},
		{`{"inputs":[]} x`, `invalid JSON at byte 14: found 'x', expected the end of the input`},
		{`{"inputs":[],"inputs":[]}`, `member "inputs" comes twice`},
		{`{"id":"a","id":"a","inputs":[]}`, `member "id" comes twice`},
		{`{"id":7,"inputs":[]}`, `"id" is a number, expected a string`},
		{`{"inputs":[{}]}`, `inputs[0] has no "name"`},
		{`{"inputs":[{"name":""}]}`, `inputs[0] has no "name"`},
		{`{"inputs":[{"name":3}]}`, `inputs[0]: "name" is a number, expected a string`},
		{input(`"name":"x"`), `input "x": member "name" comes twice`},
		{input(`"shape":[1],"data":[1]`), `input "x" has no "datatype", accepted are BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES`},
		{input(`"datatype":"FP32","data":[1]`), `input "x" has no "shape"`},
		{input(`"datatype":"FP32","shape":[1]`), `input "x" has neither "data" nor the parameter "binary_data_size"`},
		{input(`"datatype":"FP32","shape":[1],"data":null`), `input "x" has neither "data" nor the parameter "binary_data_size"`},
		{input(`"datatype":"float","shape":[1],"data":[1]`), `input "x": unknown datatype "float", accepted are BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES`},
		{input(`"datatype":"FP32","shape":4,"data":[1]`), `input "x": "shape" is a number, expected an array`},
		{input(`"datatype":"FP32","shape":["1"],"data":[1]`), `input "x": shape[0] is a string, expected a whole number from 0`},
		{input(`"datatype":"FP32","shape":[1,-1],"data":[1]`), `input "x": shape[1] is -1, expected a whole number from 0`},
		{input(`"datatype":"FP32","shape":[1.5],"data":[1]`), `input "x": shape[0] is 1.5, expected a whole number from 0`},
		{input(`"datatype":"FP32","shape":[1,1,1,1,1,1,1,1,1],"data":[1]`), `input "x": "shape" has more than the 8 dimensions accepted`},
		{input(`"datatype":"FP32","shape":[4294967296,4294967296],"data":[1]`), `input "x": shape [4294967296,4294967296] has more elements than 64 bits can count`},
		{input(`"datatype":"FP32","shape":[0,4294967296,4294967296],"data":[]`), `input "x": shape [0,4294967296,4294967296] has more elements than 64 bits can count`},
		{input(`"datatype":"FP32","shape":[1000000000],"data":[1,2,3]`), `input "x": shape [1000000000] is larger than the 67108864 elements accepted, empty dimensions not counted`},
		{input(`"datatype":"FP32","shape":[1000000000,0],"data":[]`), `input "x": shape [1000000000,0] is larger than the 67108864 elements accepted, empty dimensions not counted`},
		{input(`"datatype":"FP32","shape":[1,4],"data":5`), `input "x": "data" is a number, expected an array`},
		{input(`"datatype":"FP32","shape":[1,4],"data":[1,2,3]`), `input "x": data has 3 elements, expected 4 for shape [1,4]`},
		{input(`"datatype":"FP32","shape":[1,4],"data":[]`), `input "x": data has 0 elements, expected 4 for shape [1,4]`},
		{input(`"datatype":"FP32","shape":[1,4],"data":[1,2,3,4,5,6]`), `input "x": data has more than 4 elements, expected 4 for shape [1,4]`},
		{input(`"datatype":"FP32","shape":[2,2],"data":[[1,2],[3]]`), `input "x": data: the array at depth 2 that starts with element 2 has 1 entries, expected 2 for shape [2,2]`},
		{input(`"datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4,5]]`), `input "x": data: the array at depth 2 that starts with element 2 has more than 2 entries, expected 2 for shape [2,2]`},
		{input(`"datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4],[5,6]]`), `input "x": data: the array at depth 1 that starts with element 0 has 3 entries, expected 2 for shape [2,2]`},
		{input(`"datatype":"FP32","shape":[2,2],"data":[[1,2],3,4]`), `input "x": data: before element 2 there is a number at depth 2, expected an array`},
		{input(`"datatype":"FP32","shape":[2,2],"data":[1,2,[3,4]]`), `input "x": data[2] is an array, FP32 accepts numbers from -3.4028235e+38 to 3.4028235e+38`},
		{input(`"datatype":"FP32","shape":[4],"data":[[1,2,3,4]]`), `input "x": data[0] is an array, FP32 accepts numbers from -3.4028235e+38 to 3.4028235e+38`},
		{input(`"datatype":"FP32","shape":[2],"data":[1 2]`), `input "x": data: after 1 elements: invalid JSON at byte 63: found '2', expected ',' or ']'`},
		{input(`"datatype":"FP32","shape":[2],"data":[1,]`), `input "x": data[1]: invalid JSON at byte 63: found ']', expected a value`},
		{input(`"datatype":"FP32","shape":[2],"data":[1,2],"parameters":{"binary_data_size":8}`), `input "x" has both "data" and "binary_data_size", expected one of them`},
		{input(`"datatype":"FP16","shape":[1],"data":[1]`), `input "x": receiving FP16 data via JSON is not supported; send it as binary data (parameter "binary_data_size")`},
		{input(`"data":[1],"datatype":"BF16","shape":[1]`), `input "x": receiving BF16 data via JSON is not supported; send it as binary data (parameter "binary_data_size")`},
		{input(`"datatype":"FP32","shape":[1],"data":[1],"parameters":{"a":{}}`), `input "x": parameter "a" is an object, expected a string, a boolean or a number`},
		{`{"inputs":[],"parameters":[]}`, `"parameters" is an array, expected an object`},
		{`{"inputs":[],"parameters":{"a":1,"a":2}}`, `parameter "a" comes twice`},
		{`{"inputs":[],"parameters":{"triton_x":1}}`, `parameter "triton_x": names that start with "triton_" are reserved and cannot be sent`},
		{`{"inputs":[],"parameters":{"headers":"x"}}`, `parameter "headers" is reserved and cannot be sent`},
		{`{"inputs":[],"parameters":{"priority":-1}}`, `parameter "priority" is -1, expected a whole number from 0`},
		{`{"inputs":[],"parameters":{"timeout":"5s"}}`, `parameter "timeout" is "5s", expected a whole number from 0`},
		{`{"inputs":[],"parameters":{"sequence_start":1}}`, `parameter "sequence_start" is 1, expected true or false`},
		{`{"inputs":[],"parameters":{"sequence_id":1.5}}`, `parameter "sequence_id" is 1.5, expected a string or a whole number from 0`},
		{`{"inputs":[],"parameters":{"binary_data_output":"yes"}}`, `parameter "binary_data_output" is "yes", expected true or false`},
		{`{"inputs":[],"parameters":{"a":1e999}}`, `parameter "a" is 1e999, FP64 accepts numbers from -1.7976931348623157e+308 to 1.7976931348623157e+308`},
		{`{"inputs":[],"outputs":[{}]}`, `outputs[0]: it has no "name"`},
		{`{"inputs":[],"outputs":["y"]}`, `outputs[0] is a string, expected an object`},
		{
			`{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":0}}]}`,
			`outputs[0]: parameter "classification" is 0, expected a whole number from 1`,
		},
		{
			`{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":"3"}}]}`,
			`outputs[0]: parameter "classification" is "3", expected a whole number from 1`,
		},
		{`{"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":1}}]}`, `outputs[0]: "binary_data" is a number, expected true or false`},
		{input(`"shape":[1],"shape":[1]`), `input "x": member "shape" comes twice`},
	} {
		e := refuse(t, c.body, NoHeaderLength, DefaultLimits())
		if e.Msg != c.want || e.Code != InvalidArgument {
			t.Errorf("%s is refused with\n%s (%s), want\n%s", c.body, e.Msg, e.Code, c.want)
		}
	}
}

func TestDecodeRefusesWhatWeDoNotSupport(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{
			`{"inputs":[],"outputs":[{"name":"y","parameters":{"shared_memory_region":"r"}}]}`,
			`outputs[0]: parameter "shared_memory_region": shared memory is not supported, send the data with the request`,
		},
		{
			input(`"datatype":"FP32","shape":[1],"parameters":{"shared_memory_region":"r","shared_memory_byte_size":4}`),
			`input "x": parameter "shared_memory_region": shared memory is not supported, send the data with the request`,
		},
	} {
		if e := refuse(t, c.body, NoHeaderLength, DefaultLimits()); e.Msg != c.want || e.Code != Unsupported {
			t.Errorf("%s is refused with\n%s (%s), want\n%s", c.body, e.Msg, e.Code, c.want)
		}
	}
}

func TestMessagesStayShort(t *testing.T) {
	long := strings.Repeat("n", 1000)
	for _, body := range []string{
		`{"inputs":[{"name":"` + long + `"}]}`,
		`{"inputs":[{"name":"x","datatype":"` + long + `"}]}`,
		`{"inputs":[{"name":"` + long + `","shape":[1],"datatype":"INT8","data":[` + strings.Repeat("9", 5000) + `]}]}`,
		`{"inputs":[],"parameters":{"` + long + `":{}}}`,
		`{"inputs":[],"parameters":{"timeout":"` + long + `"}}`,
		`{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["` + strings.Repeat(`\x`, 500) + `"]}]}`,
	} {
		if e := refuse(t, body, NoHeaderLength, DefaultLimits()); len(e.Msg) > 400 {
			t.Errorf("message of %d bytes: %s", len(e.Msg), e.Msg)
		}
	}
}

func TestInputParametersTravelOn(t *testing.T) {
	const body = `{"inputs":[{"name":"a","shape":[1],"datatype":"INT8","parameters":{"content_type":"np","n":1.5},"data":[1]},` +
		`{"name":"b","shape":[1],"datatype":"INT8","data":[2]}]}`
	r := decode(t, body)
	want := Parameters{{"content_type", String("np")}, {"n", Float(1.5)}}
	if !reflect.DeepEqual(r.Inputs[0].Parameters, want) || r.Inputs[1].Parameters != nil {
		t.Errorf("parameters %v and %v, want %v and none", r.Inputs[0].Parameters, r.Inputs[1].Parameters, want)
	}
	if out, _, err := AppendInferRequest(nil, r); err != nil || string(out) != body {
		t.Errorf("written again: %s %v, want %s", out, err, body)
	}
	r.BinaryInputs = true
	out, headerLen, err := AppendInferRequest(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	var again InferRequest
	if err := again.Decode(out, headerLen, DefaultLimits()); err != nil || !reflect.DeepEqual(again.Inputs[0].Parameters, want) {
		t.Errorf("as binary data: %v %v, want %v", again.Inputs[0].Parameters, err, want)
	}
}
