package scheduler

import (
	"strings"
	"testing"
	"time"

	"ganglion/internal/oip"
)

func TestConfigIsRefused(t *testing.T) {
	ragged := func(change func(*Ragged)) Config {
		r := Ragged{Inputs: []RaggedInput{{Name: "x", Axis: 1, Datatype: oip.FP32}}, Buckets: []int64{8}}
		change(&r)
		return Config{MaxBatchSize: 8, Ragged: []Ragged{r}}
	}
	for says, cfg := range map[string]Config{
		"max batch size -1":   {MaxBatchSize: -1},
		"max queue delay -1s": {MaxQueueDelay: -time.Second},
		"preferred size 9: must be between 1 and the max batch size 8": {MaxBatchSize: 8, PreferredSizes: []int{9}},
		"queue bounds of -1 requests":                                  {MaxQueueRequests: -1},
		"17 priority levels":                                           {PriorityLevels: 17},
		"default priority 3":                                           {PriorityLevels: 2, DefaultPriority: 3},
		"priority step -1s":                                            {PriorityStep: -time.Second},
		"of no use to a model that does not batch":                     {Ragged: []Ragged{tokens}},
		"5 ragged dimensions":                                          {MaxBatchSize: 8, Ragged: make([]Ragged, 5)},
		"needs at least one input and one bucket":                      ragged(func(r *Ragged) { r.Inputs = nil }),
		"buckets [8 4] must be positive and ascend":                    ragged(func(r *Ragged) { r.Buckets = []int64{8, 4} }),
		`ragged input "x": axis 0 must be between 1 and 7`:             ragged(func(r *Ragged) { r.Inputs[0].Axis = 0 }),
		`ragged input "x": must have a name, and may have one`:         ragged(func(r *Ragged) { r.Inputs = append(r.Inputs, r.Inputs[0]) }),
		`pad value of 3 bytes is no element of FP32`:                   ragged(func(r *Ragged) { r.Inputs[0].Value = []byte{1, 2, 3} }),
		`mask "m": BYTES has no 1 and 0`:                               ragged(func(r *Ragged) { r.Mask = Mask{"m", oip.Bytes} }),
		`ragged output "": must have a name`:                           ragged(func(r *Ragged) { r.Outputs = []RaggedOutput{{"", 1}} }),
	} {
		if _, err := New(cfg, nothing{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("New gave %v, want an error with %q", err, says)
		}
	}
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "no runner") {
		t.Errorf("New without runners gave %v", err)
	}
	_, err := New(Config{MaxBatchSize: -1, PriorityLevels: 99}, nothing{})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("New gave %v, want both problems", err)
	}
}

func TestMaskHasOneOfEveryDatatype(t *testing.T) {
	for d := oip.Bool; d < oip.Bytes; d++ {
		if got := maskElement(d); len(got) != d.Size() {
			t.Errorf("the 1 of %v has %d bytes, want %d", d, len(got), d.Size())
		}
	}
}
