package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"ganglion/balancer/replay"
	"ganglion/internal/testnode"
)

func nothing() error { return nil }

// TestARecordingCanBeReplayed: every attempt of every exchange is in it, and another policy can be asked what it makes of them.
func TestARecordingCanBeReplayed(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, a, b)
	e.infer() // not recorded
	file := &beginning{begun: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.gateway.Record(ctx, file, nothing, nil, time.Minute) }()
	<-file.begun
	if err := e.gateway.Record(ctx, io.Discard, nothing, nil, time.Minute); !errors.Is(err, ErrRecording) {
		t.Errorf("a second recording: %v", err)
	}
	a.FailNext(1, 500)
	before := a.Requests() + b.Requests()
	for range 20 {
		e.infer().want(t, 200)
	}
	attempts := int(a.Requests() + b.Requests() - before)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	trace, err := replay.Read(&file.Buffer)
	if err != nil {
		t.Fatal(err)
	}
	if !trace.Complete || len(trace.Decisions) != attempts || attempts != 21 || trace.Header.Pools[0].Policy != "round_robin" {
		t.Fatalf("%d decisions of %d attempts, want 21; %+v, %+v", len(trace.Decisions), attempts, trace.Header, trace.Footer)
	}
	faults, second := 0, 0
	for _, d := range trace.Decisions {
		if d.End == "fault" {
			faults++
		}
		if d.Attempt == 2 {
			second++
		}
		if d.Candidates != 2 || d.Took <= 0 || (d.Node != a.Address() && d.Node != b.Address()) {
			t.Errorf("%+v", d)
		}
	}
	if faults != 1 || second != 1 {
		t.Errorf("%d faults and %d second attempts, want one each", faults, second)
	}
	c, err := replay.Run(trace, "main", []string{"least_load"}, 1)
	if err != nil || c.Others[0].Requests != attempts {
		t.Errorf("%+v, %v", c, err)
	}
}

// beginning is a file that tells when its first line comes.
type beginning struct {
	bytes.Buffer
	begun chan struct{}
}

func (b *beginning) Write(p []byte) (int, error) {
	if b.Len() == 0 {
		defer close(b.begun)
	}
	return b.Buffer.Write(p)
}

func TestWrongRecordingsAreRefused(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for _, c := range []struct {
		pools []string
		d     time.Duration
		want  string
	}{
		{nil, 0, "up to 10m"}, {nil, time.Hour, "up to 10m"}, {[]string{"other"}, time.Second, "main"}, {[]string{"main", "main"}, time.Second, "different"},
	} {
		var out bytes.Buffer
		if err := e.gateway.Record(t.Context(), &out, nothing, c.pools, c.d); err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
			t.Errorf("%v for %s: %v, wrote %q", c.pools, c.d, err, out.String())
		}
	}
	// One whose reader has left makes room for the next.
	broken := errors.New("broken pipe")
	if err := e.gateway.Record(t.Context(), leaving{broken}, nothing, nil, time.Minute); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	if err := e.gateway.Record(t.Context(), io.Discard, nothing, nil, time.Millisecond); err != nil {
		t.Errorf("the next recording: %v", err)
	}
}

type leaving struct{ err error }

func (f leaving) Write([]byte) (int, error) { return 0, f.err }
