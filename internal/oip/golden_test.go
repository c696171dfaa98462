package oip

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/golden/*.response.json anew")

// echo is a model that answers with its inputs.
func echo(r *InferRequest) *InferResponse {
	answer := &InferResponse{ModelName: "echo", ModelVersion: "1", ID: r.ID}
	for i := range r.Inputs {
		answer.Outputs = append(answer.Outputs, OutputTensor{Tensor: r.Inputs[i], Binary: r.WantsBinary(r.Inputs[i].Name)})
	}
	return answer
}

// TestGolden sends requests as clients write them to an echo and compares its answers byte for byte: they are what
// clients have learned to read.
func TestGolden(t *testing.T) {
	requests, err := filepath.Glob("testdata/golden/*.request.json")
	if err != nil || len(requests) == 0 {
		t.Fatalf("no requests: %v", err)
	}
	for _, file := range requests {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".request.json"), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var r InferRequest
			if err := r.Decode(body, NoHeaderLength, DefaultLimits()); err != nil {
				t.Fatal(err)
			}
			got, headerLen, err := AppendInferResponse(nil, echo(&r))
			if err != nil || headerLen != NoHeaderLength || !json.Valid(got) {
				t.Fatalf("answer %q, header length %d: %v", got, headerLen, err)
			}
			compareGolden(t, strings.Replace(file, ".request.", ".response.", 1), append(got, '\n'))
		})
	}
}

func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("answer\n%swant\n%s", got, want)
	}
}
