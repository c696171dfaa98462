package oip

import "testing"

func TestAppendSequence(t *testing.T) {
	f := func(json, want string) {
		t.Helper()
		if got := string(AppendSequence(nil, []byte(json))); got != want {
			t.Errorf("%s: %q, want %q", json, got, want)
		}
	}
	f(`{"parameters":{"sequence_id":42,"sequence_start":true},"inputs":[]}`, "42")
	f(`{"inputs":[{"parameters":{"sequence_id":7}}],"parameters":{"sequence_id":"job-1"}}`, "job-1")
	f(`{"parameters":{"sequence_id":"42"}}`, "42")
	f(`{"parameters":{"sequence_id":0}}`, "")
	f(`{"parameters":{"sequence_id":""}}`, "")
	f(`{"parameters":{"sequence_id":-1}}`, "")
	f(`{"parameters":{"sequence_id":null}}`, "")
	f(`{"parameters":{"sequence_id":`, "")
	f(`{"inputs":[{"parameters":{"sequence_id":7}}]}`, "")
	f(`{"id":"sequence_id"}`, "")
}

func TestAppendProtoSequence(t *testing.T) {
	f := func(v Value, want string) {
		t.Helper()
		msg := AppendProtoInferRequest(nil, "m", "", &InferRequest{Parameters: Parameters{{Name: "sequence_id", Value: v}}})
		if got := string(AppendProtoSequence(nil, msg)); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	f(Integer(42), "42")
	f(Unsigned(42), "42")
	f(String("job-1"), "job-1")
	f(Integer(0), "")
	f(Integer(-1), "")
	f(Boolean(true), "")
}
