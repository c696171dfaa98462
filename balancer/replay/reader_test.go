package replay

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// written is the trace as a file.
func written(t *testing.T, trace *Trace) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, trace.Header)
	if err != nil {
		t.Fatal(err)
	}
	for i := range trace.Decisions {
		if err := w.Write(&trace.Decisions[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(3, 2); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	trace := fake(t, 50, 100, []int{1, 1}, []time.Duration{5 * ms, 5 * ms})
	trace.Decisions[3].Key, trace.Decisions[3].Load = 1<<63+1, &Load{Queued: 2, InFlight: 1}
	file := written(t, trace)
	got, err := Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Complete || got.Footer.Dropped != 2 || got.Footer.Decisions != 50 || len(got.Decisions) != 50 {
		t.Errorf("read %d decisions, %+v", len(got.Decisions), got.Footer)
	}
	if d := got.Decisions[3]; d.Key != 1<<63+1 || d.Load == nil || *d.Load != (Load{2, 1}) || d.At != trace.Decisions[3].At {
		t.Errorf("read %+v", d)
	}
}

// TestATraceThatWasCutOffIsRead as far as it goes, also in the middle of a line.
func TestATraceThatWasCutOffIsRead(t *testing.T) {
	file := written(t, fake(t, 50, 100, []int{1, 1}, []time.Duration{5 * ms, 5 * ms}))
	lines := bytes.SplitAfter(file, []byte("\n"))
	cut := bytes.Join(lines[:31], nil)
	for _, part := range [][]byte{cut, append(bytes.Clone(cut), lines[31][:20]...)} {
		got, err := Read(bytes.NewReader(part))
		if err != nil || got.Complete || len(got.Decisions) != 30 {
			t.Errorf("%v, %+v", err, got)
		}
	}
}

func TestWrongTracesAreRefusedByLine(t *testing.T) {
	const head = `{"trace":1,"pools":[{"name":"main","policy":"least_load","nodes":[{"address":"a:1","weight":1}]}]}` + "\n"
	const good = `{"t":1,"pool":"main","node":"a:1","end":"success","took":0.1}` + "\n"
	for _, c := range []struct{ file, want string }{
		{"", "empty"},
		{good, "line 1"},
		{`{"trace":2}`, "accepted is 1"},
		{`{"trace":1,"pools":[{"name":"x"},{"name":"x"}]}`, "must differ"},
		{`{"trace":1,"pools":[{"name":"x","nodes":[{"address":"a:1","weight":999}]}]}`, "0 to 256"},
		{head + `{"t":-1,"node":"a:1","end":"success"}`, "line 2"},
		{head + `{"t":1,"node":"","end":"success"}`, "must be named"},
		{head + `{"t":1,"node":"a:1","end":"well"}`, "accepted are"},
		{head + `{"t":1,"node":"a:1","end":"success","took":1e300}`, "86400"},
		{head + `{"t":1,"node":"a:1","end":"success","key":"xyz"}`, "hexadecimal"},
		{head + `{"t":1,"node":"a:1","end":"success","ahead":-1}`, "negative"},
		{head + good + "nonsense\n" + good, "line 3"},
		{head + good + `{"done":true}` + "\n" + good, "ended before"},
		{head + strings.Repeat("x", maxLine+1), "more than"},
	} {
		if _, err := Read(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.file, err, c.want)
		}
	}
}

// FuzzRead: whatever is in the file, reading it ends, and what is read can be replayed.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"trace":1,"pools":[{"name":"main","policy":"least_load","nodes":[{"address":"a:1","weight":1}]}]}` + "\n" +
		`{"t":1,"pool":"main","node":"a:1","end":"success","took":0.1,"load":{"queued":1,"in_flight":1}}` + "\n" +
		`{"t":1,"pool":"main","node":"b:1","end":"failure","took":0.1,"key":"ff","stick":true}` + "\n" + `{"done":true}`))
	f.Add([]byte(`{"trace":1}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, file []byte) {
		trace, err := Read(bytes.NewReader(file))
		if err != nil {
			return
		}
		for _, p := range trace.Header.Pools {
			if c, err := Run(trace, p.Name, []string{"least_load"}, 1); err == nil && c.Others[0].Requests != c.Recorded.Requests {
				t.Errorf("%d requests of %d", c.Others[0].Requests, c.Recorded.Requests)
			}
		}
	})
}
