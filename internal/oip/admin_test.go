package oip

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func sampleStatistics() []ModelStatistics {
	duration := func(n uint64) StatisticDuration { return StatisticDuration{Count: n, NS: n * 1000} }
	return []ModelStatistics{{
		Name: "m", Version: "3", LastInference: 1700000000000, InferenceCount: 64, ExecutionCount: 8,
		Inference: InferenceStatistics{
			Success: duration(1), Fail: duration(2), Queue: duration(3), ComputeInput: duration(4), ComputeInfer: duration(5),
			ComputeOutput: duration(6), CacheHit: duration(7), CacheMiss: StatisticDuration{8, 1 << 63},
		},
		Batches: []BatchStatistics{{BatchSize: 8, ComputeInput: duration(4), ComputeInfer: duration(5), ComputeOutput: duration(6)}},
		Memory:  []MemoryUsage{{Type: "GPU", ID: 1, ByteSize: 1 << 40}},
	}, {Name: "n", Version: "1", Batches: []BatchStatistics{}, Memory: []MemoryUsage{}}}
}

func TestStatisticsRoundTrip(t *testing.T) {
	body := AppendStatistics(nil, sampleStatistics())
	got, err := ParseStatistics(body)
	if err != nil || !reflect.DeepEqual(got, sampleStatistics()) {
		t.Errorf("%s reads as %+v, %v", body, got, err)
	}
	want := `{"model_stats":[{"name":"m","version":"3","last_inference":1700000000000,"inference_count":64,"execution_count":8,` +
		`"inference_stats":{"success":{"count":1,"ns":1000},"fail":{"count":2,"ns":2000},"queue":`
	if !strings.HasPrefix(string(body), want) || !json.Valid(body) {
		t.Errorf("written as %s", body)
	}
	if got := string(AppendStatistics(nil, nil)); got != `{"model_stats":[]}` {
		t.Errorf("no statistics are %s", got)
	}
}

// TestStatisticsSkipWhatTheyDoNotKnow reads what Triton adds for decoupled models.
func TestStatisticsSkipWhatTheyDoNotKnow(t *testing.T) {
	got, err := ParseStatistics([]byte(`{"model_stats":[{"name":"m","version":"1","response_stats":{"0":{"success":{"count":1,"ns":2}}},` +
		`"inference_stats":{"success":{"count":"12","ns":5},"other":{}},"batch_stats":null}],"more":1}`))
	if err != nil || got[0].Inference.Success != (StatisticDuration{12, 5}) {
		t.Errorf("reads as %+v, %v", got, err)
	}
	for body, want := range map[string]string{
		`{}`:                                `has no "model_stats"`,
		`{"model_stats":[{"version":"1"}]}`: `has no "name"`,
		`{"model_stats":[{"name":"m","inference_count":-1}]}`: `"inference_count" is -1`,
		`{"model_stats":[{"name":"m","version":1}]}`:          `"version" is a number, expected a string`,
	} {
		if _, err := ParseStatistics([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", body, err, want)
		}
	}
}

func TestStatisticsAddAndStartedOver(t *testing.T) {
	sum, other := sampleStatistics()[0], sampleStatistics()[0]
	other.Batches[0].BatchSize, other.Memory[0].ID, other.LastInference = 4, 0, 1
	sum.Add(&other)
	if sum.InferenceCount != 128 || sum.ExecutionCount != 16 || sum.LastInference != 1700000000000 || sum.Inference.CacheHit.Count != 14 ||
		sum.Inference.Queue.NS != 6000 || len(sum.Batches) != 2 || len(sum.Memory) != 2 {
		t.Errorf("sum %+v", sum)
	}
	again := sampleStatistics()[0]
	sum.Add(&again)
	if len(sum.Batches) != 2 || sum.Batches[0].ComputeInfer.Count != 10 || sum.Memory[0].ByteSize != 2<<40 {
		t.Errorf("sum of the same sizes and devices %+v", sum)
	}
	now, before := sampleStatistics()[0], sampleStatistics()[0]
	if now.StartedOver(&before) {
		t.Error("the same counters are taken for a restart")
	}
	now.Inference.Fail.Count--
	if !now.StartedOver(&before) || before.StartedOver(&now) {
		t.Error("a counter that fell is no restart, or one that grew is one")
	}
}

func TestIndexRoundTrip(t *testing.T) {
	entries := []IndexEntry{{"m", "1", StateReady, ""}, {"m", "2", StateUnavailable, "bad \"file\""}, {"never", "", "", ""}}
	body := AppendIndex(nil, entries)
	want := `[{"name":"m","version":"1","state":"READY"},{"name":"m","version":"2","state":"UNAVAILABLE","reason":"bad \"file\""},{"name":"never"}]`
	if string(body) != want {
		t.Errorf("written as %s", body)
	}
	if got, err := ParseIndex(body); err != nil || !reflect.DeepEqual(got, entries) {
		t.Errorf("reads as %+v, %v", got, err)
	}
	for body, want := range map[string]string{`{}`: "is an object, expected an array", `[{}]`: `has no "name"`, `[1]`: "is a number, expected an object"} {
		if _, err := ParseIndex([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", body, err, want)
		}
	}
}

func TestIndexRequest(t *testing.T) {
	for body, want := range map[string]bool{
		"": false, " \n": false, `{}`: false, `{"ready":true}`: true, `{"ready":false}`: false, `{"ready":null,"x":[1]}`: false,
	} {
		if got, err := ParseIndexRequest([]byte(body)); err != nil || got != want {
			t.Errorf("%q asks for ready ones: %t, %v", body, got, err)
		}
	}
	for body, want := range map[string]string{
		`[]`: "the request is an array", `{"ready":1}`: `"ready" is a number, expected true or false`, `{"ready":true}x`: "expected the end",
		`{"ready":true,"ready":false}`: "comes twice",
	} {
		if _, err := ParseIndexRequest([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", body, err, want)
		}
	}
	if got, err := ParseIndexRequest(AppendIndexRequest(nil, true)); err != nil || !got {
		t.Errorf("what is written reads as %t, %v", got, err)
	}
}

func TestLoadRequestRoundTrip(t *testing.T) {
	for _, o := range []LoadOptions{
		{},
		{Config: []byte(`{"name":"m"}`)},
		{Config: []byte(`{}`), Files: map[string][]byte{"1/model.onnx": {0, 255, 7}, "2/é": {}}},
	} {
		body := AppendLoadRequest(nil, &o)
		if got, err := ParseLoadRequest(body); err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("%s reads as %+v, %v", body, got, err)
		}
	}
	if got, err := ParseLoadRequest(nil); err != nil || got.Config != nil || got.Files != nil {
		t.Errorf("no body reads as %+v, %v", got, err)
	}
	for body, want := range map[string]string{
		`{"parameters":{"file:1/m":"AA=="}}`:            `files and no parameter "config"`,
		`{"parameters":{"config":{}}}`:                  `"config" is an object, expected a string`,
		`{"parameters":{"config":"{}","file:1/m":"*"}}`: `parameter "file:1/m" is not base64`,
		`{"parameters":{"config":"{}","file:1/m":7}}`:   `is a number, expected a string of base64`,
		`{"parameters":{"other":1}}`:                    `unknown parameter "other" of a load request`,
		`{"parameters":{"config":"{}","config":"[]"}}`:  `member "config" comes twice`,
	} {
		if _, err := ParseLoadRequest([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", body, err, want)
		}
	}
}

func TestUnloadRequest(t *testing.T) {
	for _, want := range []bool{true, false} {
		if got, err := ParseUnloadRequest(AppendUnloadRequest(nil, want)); err != nil || got != want {
			t.Errorf("what is written reads as %t, %v", got, err)
		}
	}
	if got, err := ParseUnloadRequest(nil); err != nil || got {
		t.Errorf("no body reads as %t, %v", got, err)
	}
	if _, err := ParseUnloadRequest([]byte(`{"parameters":{"x":true}}`)); err == nil {
		t.Error("an unknown parameter is accepted")
	}
}

// FuzzParseAdmin: what is accepted is JSON, and comes back from what is written of it.
func FuzzParseAdmin(f *testing.F) {
	for _, seed := range []string{
		tritonConfig, string(AppendModelConfig(nil, fullConfig())), string(AppendStatistics(nil, sampleStatistics())),
		`[{"name":"m","version":"1","state":"READY"}]`, `{"ready":true}`,
		`{"parameters":{"config":"{}","file:1/m":"AA==","unload_dependents":true}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, _, err := ParseModelConfig(body); err == nil {
			first := AppendModelConfig(nil, &c)
			again, unknown, err := ParseModelConfig(first)
			if err != nil || len(unknown) > 0 || string(AppendModelConfig(nil, &again)) != string(first) {
				t.Fatalf("%q is written as %q, which reads with %v, unknown %q", body, first, err, unknown)
			}
		}
		if s, err := ParseStatistics(body); err == nil {
			first := AppendStatistics(nil, s)
			if again, err := ParseStatistics(first); err != nil || string(AppendStatistics(nil, again)) != string(first) {
				t.Fatalf("%q is written as %q, which reads with %v", body, first, err)
			}
		}
		if e, err := ParseIndex(body); err == nil {
			first := AppendIndex(nil, e)
			if again, err := ParseIndex(first); err != nil || string(AppendIndex(nil, again)) != string(first) {
				t.Fatalf("%q is written as %q, which reads with %v", body, first, err)
			}
		}
		if o, err := ParseLoadRequest(body); err == nil {
			if again, err := ParseLoadRequest(AppendLoadRequest(nil, &o)); err != nil || !reflect.DeepEqual(again, o) {
				t.Fatalf("%q reads as %+v, then as %+v, %v", body, o, again, err)
			}
		}
		_, errIndex := ParseIndexRequest(body)
		_, errUnload := ParseUnloadRequest(body)
		if (errIndex == nil || errUnload == nil) && len(strings.TrimSpace(string(body))) > 0 && !json.Valid(body) {
			t.Fatalf("%q is accepted and is no JSON", body)
		}
	})
}
