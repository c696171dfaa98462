package check_test

import (
	"bytes"
	"strings"
	"testing"

	"ganglion/backend/check"
	"ganglion/internal/oip"
)

const (
	request  = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,3]}]}`
	response = `{"model_name":"double","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[2,6]},{"name":"t","datatype":"BYTES","shape":[1],"data":["row"]}]}`
)

// vector is a TensorProto of float32 [1,2] without a name.
func vector(bits string) string { return "\x08\x01\x08\x02\x10\x01\x4a\x08" + bits }

func pair(request, response string) map[string]string {
	return map[string]string{"double/test/a.request.json": request, "double/test/a.response.json": response}
}

// TestAnswers: test data of both kinds is found, asked for and compared.
func TestAnswers(t *testing.T) {
	files := pair(request, response)
	files["double/test_data_set_0/input_0.pb"] = vector("\x00\x00\x80\x3f\x00\x00\x40\x40")  // 1, 3
	files["double/test_data_set_0/output_0.pb"] = vector("\x00\x00\x00\x40\x00\x00\xc0\x40") // 2, 6
	files["double/1/test_data_set_7/input_0.pb"] = files["double/test_data_set_0/input_0.pb"]
	files["double/1/test_data_set_7/output_0.pb"] = files["double/test_data_set_0/output_0.pb"]
	r := run(t, newFake(), files)
	if !r.Ready || len(r.Models) != 1 || len(r.Models[0].Tests) != 3 || len(r.Models[0].Notes) != 0 {
		t.Fatalf("got %+v", r)
	}
	for i, name := range []string{"double/test_data_set_0", "double/1/test_data_set_7", "double/test/a.request.json"} {
		if one := r.Models[0].Tests[i]; one.Name != name || !one.Pass || one.Outputs[0].Accuracy != 1 {
			t.Errorf("got %+v, want %s to pass", one, name)
		}
	}
}

// TestWrongAnswers: each is one line that says what is wrong.
func TestWrongAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"number":   {pair(request, strings.Replace(response, "6]", "6.1]", 1)), `test double/test/a.request.json: output "y" is as expected in 50.00 % of its elements, the largest difference is 0.1`},
		"text":     {pair(request, strings.Replace(response, `"row"`, `"column"`, 1)), `output "t" is as expected in 0.00 %`},
		"shape":    {pair(request, strings.Replace(response, "[1,2],", "[2,1],", 1)), `output "y" has shape [1 2], but [2 1] is expected`},
		"datatype": {pair(request, strings.Replace(response, "FP32", "INT32", 1)), `output "y" is FP32, but INT32 is expected`},
		"missing":  {pair(request, strings.Replace(response, `"y"`, `"z"`, 1)), `output "z" is not in the answer`},
		"alone":    {map[string]string{"double/test/a.request.json": request}, "a.response.json: no such file"},
		"junk":     {pair(request, "junk"), "a.response.json: "},
		"empty":    {pair(request, `{"model_name":"double","outputs":[]}`), "a.response.json has no outputs"},
		"vector":   {map[string]string{"double/test_data_set_0/input_0.pb": "\xff"}, "test double/test_data_set_0: input_0.pb: "},
		"half":     {map[string]string{"double/test_data_set_0/input_0.pb": vector("12345678")}, "it has no output_0.pb"},
	} {
		t.Run(name, func(t *testing.T) { wantProblem(t, run(t, newFake(), c.files), c.want) })
	}
}

// TestTolerance: what is near enough, and for how many.
func TestTolerance(t *testing.T) {
	node := newFake()
	node.wrong = 0.01
	wantProblem(t, run(t, node, pair(request, response)), "50.00 %")
	if r := run(t, node, pair(request, response), func(o *check.Options) { o.Tolerance.Accuracy = 0.5 }); !r.Ready {
		t.Errorf("half of the elements are not enough: %+v", r)
	}
	if r := run(t, node, pair(request, response), func(o *check.Options) { o.Tolerance.Relative = 0.01 }); !r.Ready {
		t.Errorf("one percent of 2 does not cover 0.01: %+v", r)
	}
	if r := run(t, node, pair(request, response), func(o *check.Options) { o.Tolerance.Absolute = 0.011 }); !r.Ready {
		t.Errorf("0.011 does not cover 0.01: %+v", r)
	}
}

// TestNotReady: what keeps a repository from being deployed besides wrong answers.
func TestNotReady(t *testing.T) {
	node := newFake()
	node.index = append(node.index, oip.IndexEntry{Name: "broken", Version: "2", State: "UNAVAILABLE", Reason: "the file is\x1b[2J cut short"},
		oip.IndexEntry{Name: "unset", State: "UNAVAILABLE", Reason: "its configuration is"})
	r := run(t, node, pair(request, response))
	wantProblem(t, r, "it does not load: the file is\x1b[2J cut short")
	if !r.Models[0].Ready || r.Models[1].Ready {
		t.Errorf("got %+v", r.Models)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "NOT READY: 1 of 3 model versions are ready") || !strings.Contains(text.String(), "\nunset: NOT READY\n") || strings.Contains(text.String(), "\x1b") {
		t.Errorf("got %v and\n%s", err, &text)
	}
	if only := run(t, node, nil, func(o *check.Options) { o.Only = []string{"double"} }); !only.Ready || len(only.Models) != 1 {
		t.Errorf("got %+v", only)
	}
	wantProblem(t, run(t, node, nil, func(o *check.Options) { o.Only = []string{"none"} }), `there is no model "none"`)
	wantProblem(t, run(t, newFake(), nil, func(o *check.Options) { o.Memory = func() (int64, int64) { return 95 << 20, 100 << 20 } }), "the node needed 95 MiB of the 100 MiB")
	node.fail = oip.Errorf(oip.Internal, "the engine is gone")
	wantProblem(t, run(t, node, pair(request, response)), "no answer: the engine is gone")
}
