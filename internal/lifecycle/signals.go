package lifecycle

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals takes the process's signals until release is called: the first SIGTERM or Ctrl-C ends the context it returns, a
// second one ends the process with exit code 1, and SIGHUP calls hangup.
func Signals(ctx context.Context, log *slog.Logger, hangup func(*slog.Logger)) (_ context.Context, release func()) {
	ctx, stop := context.WithCancel(ctx)
	// Room for an impatient operator: signals that find the channel full are lost.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	released := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for stopping := false; ; {
			select {
			case <-released:
				return
			case s := <-signals:
				switch {
				case s == syscall.SIGHUP:
					hangup(log)
				case stopping:
					log.Error("second signal: ending at once, requests in flight are cut", "signal", s.String())
					os.Exit(1)
				default:
					stopping = true
					stop()
				}
			}
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		close(released)
		group.Wait()
		stop()
	}
}
