package lifecycle

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary notes what happened in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) check(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("got  %q\nwant %q", d.lines, want)
	}
}

// server runs until it is stopped, and then takes a second to let go.
func (d *diary) server(name string) (string, func(context.Context) error) {
	return name, func(ctx context.Context) error {
		<-ctx.Done()
		d.note(name + " told")
		time.Sleep(time.Second)
		d.note(name + " gone")
		return ctx.Err()
	}
}

func TestEndOfContextStopsInReverseOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g Group
		g.Add(d.server("pools"))
		g.Add(d.server("edge"))
		g.Add(d.server("admin"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := g.Run(ctx); err != nil {
			t.Errorf("got %v, want a clean end", err)
		}
		d.check(t, "admin told", "admin gone", "edge told", "edge gone", "pools told", "pools gone")
		if took := time.Since(began); took != time.Minute+3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestFirstExitStopsAll(t *testing.T) {
	broken := errors.New("listener broke")
	for name, tt := range map[string]struct {
		exit error
		want string
	}{
		"with an error": {broken, "edge: listener broke"},
		"without":       {nil, ""},
		// Nobody cancelled this part: what it reports is a failure of its own.
		"with somebody else's cancellation": {context.Canceled, "edge: context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var g Group
				g.Add(d.server("pools"))
				g.Add("edge", func(context.Context) error {
					time.Sleep(time.Hour)
					d.note("edge ends")
					return tt.exit
				})
				g.Add(d.server("admin"))
				err := g.Run(t.Context())
				if got := text(err); got != tt.want || tt.exit != nil && !errors.Is(err, tt.exit) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				d.check(t, "edge ends", "admin told", "admin gone", "pools told", "pools gone")
			})
		})
	}
}

func TestErrorWhileStoppingIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g Group
		g.Add("pools", func(ctx context.Context) error { <-ctx.Done(); return errors.New("last") })
		g.Add("edge", func(ctx context.Context) error { <-ctx.Done(); return errors.New("cut 3 connections") })
		g.Add(d.server("admin"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, want := text(g.Run(ctx)), "edge: cut 3 connections"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestPartsSeeValuesOfTheContext(t *testing.T) {
	type key struct{}
	var g Group
	got := ""
	g.Add("edge", func(ctx context.Context) error {
		got, _ = ctx.Value(key{}).(string)
		return nil
	})
	if err := g.Run(context.WithValue(t.Context(), key{}, "here")); err != nil || got != "here" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEmptyGroupReturns(t *testing.T) {
	var g Group
	if err := g.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
