package oip

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip/pb"
)

func TestFindWhole(t *testing.T) {
	for in, want := range map[string]uint64{
		`{"parameters":{"timeout":5}}`: 5,
		`{"id":"x","inputs":[{"parameters":{"timeout":1}}],"parameters":{"timeout":5}}`: 5,
		`{ "parameters" : { "priority" : 1 , "timeout" : 18446744073709551615 } }`:      18446744073709551615,
		`{"parameters":{"a":{"timeout":3},"timeout":5}}`:                                5,
		`{"parameters":{"timeout":-0}}`:                                                 0,
		`{"parameters":{"timeout":0,"x":"\"}"}}`:                                        0,
	} {
		if n, found, err := FindWhole([]byte(in), "timeout"); n != want || !found || err != nil {
			t.Errorf("FindWhole(%s) = %d, %t, %v; want %d", in, n, found, err, want)
		}
	}
	for _, in := range []string{ // nothing that a node would take for a timeout of the request
		``, `{}`, `[]`, `null`, `{"timeout":5}`, `{"parameters":{"timeout":null}}`, `{"parameters":null,"timeout":5}`,
		`{"inputs":[{"parameters":{"timeout":5}}]}`, `{"parameters":{"x":"\"timeout\":5"}}`, `{"parameters":["timeout"]}`,
		`{"inputs":["timeout"]}`, `{"parameters":{"timeout"`, `{"parameters":{"timeout":`, `{"parameters":{"timeout" 5}}`,
		`{"parameters":{"time\u006fut":5}}`, `{"a":` + strings.Repeat("[", 100_000) + `"timeout"`,
	} {
		if n, found, err := FindWhole([]byte(in), "timeout"); n != 0 || found || err != nil {
			t.Errorf("FindWhole(%.80s) = %d, %t, %v; want none", in, n, found, err)
		}
	}
}

// What is refused here is refused in the words in which a node would refuse it.
func TestFindWholeRefusesAsANodeDoes(t *testing.T) {
	for _, value := range []string{`-1`, `1.5`, `"5"`, `true`, `[1]`, `{"timeout":1}`} {
		body := `{"parameters":{"timeout":` + value + `},"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}`
		_, _, err := FindWhole([]byte(body), "timeout")
		if err == nil || !strings.Contains(err.Error(), `parameter "timeout" is `+value+`, expected a whole number from 0`) {
			t.Errorf("FindWhole of %s: %v", value, err)
		}
		var r InferRequest
		if want := r.Decode([]byte(body), NoHeaderLength, DefaultLimits()); value[0] != '[' && value[0] != '{' && (want == nil || err == nil || want.Error() != err.Error()) {
			t.Errorf("a node says %v, want %v", want, err)
		}
	}
}

func TestFindProtoWhole(t *testing.T) {
	message := func(p *pb.InferParameter) []byte {
		b, err := proto.Marshal(&pb.ModelInferRequest{
			ModelName: "timeout", Parameters: map[string]*pb.InferParameter{"timeout": p, "sequence_id": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 9}}},
			Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "timeout", Parameters: map[string]*pb.InferParameter{
				"timeout": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 7}},
			}}},
			RawInputContents: [][]byte{[]byte("timeout")},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for want, p := range map[uint64]*pb.InferParameter{
		5: {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 5}},
		6: {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: 6}},
	} {
		if n, found, err := FindProtoWhole(message(p), "timeout"); n != want || !found || err != nil {
			t.Errorf("got %d, %t, %v; want %d", n, found, err, want)
		}
	}
	for text, p := range map[string]*pb.InferParameter{
		`-5`:   {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: -5}},
		`"5"`:  {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "5"}},
		`true`: {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
	} {
		if _, _, err := FindProtoWhole(message(p), "timeout"); err == nil || !strings.Contains(err.Error(), "is "+text+", expected a whole number") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, found, err := FindProtoWhole(message(&pb.InferParameter{}), "timeout"); found || err != nil {
		t.Errorf("a parameter without a value: %t, %v", found, err)
	}
	if _, found, err := FindProtoWhole(message(nil)[:20], "timeout"); found || err != nil {
		t.Errorf("a message cut off: %t, %v", found, err)
	}
}

// FuzzFindWhole: what is found is what encoding/json finds.
func FuzzFindWhole(f *testing.F) {
	for _, seed := range []string{irisBody, `{"parameters":{"timeout":5}}`, `{"parameters":{"timeout":"x"}}`, `{"a":{"timeout":1},"parameters":{"b":[],"timeout":2}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _, _ = FindProtoWhole(text, "timeout")
		n, found, err := FindWhole(text, "timeout")
		if err != nil || !found || !json.Valid(text) || strings.Count(string(text), "parameters") != 1 || strings.Count(string(text), "timeout") != 1 {
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("found %d in %q, which is no object: %v", n, text, err)
		}
		var p map[string]json.Number
		if err := json.Unmarshal(m["parameters"], &p); err == nil && p["timeout"] == "" {
			t.Errorf("found %d in %q, encoding/json finds none", n, text)
		}
	})
}

func TestFindingAParameterAllocatesNothing(t *testing.T) {
	body := []byte(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"parameters":{"timeout":250000}}`)
	if got := testing.AllocsPerRun(100, func() { _, _, _ = FindWhole(body, "timeout") }); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// What a search costs in the body of an image as JSON, where there is none.
func BenchmarkFindWhole600KB(b *testing.B) {
	body := []byte(`{"inputs":[{"name":"x","datatype":"FP32","shape":[150528],"data":[` + strings.Repeat("0.25,", 120_000) + `0]}]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		_, _, _ = FindWhole(body, "timeout")
	}
}
