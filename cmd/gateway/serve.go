package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ganglion/gateway"
	"ganglion/gateway/admin"
	"ganglion/internal/cmdline"
	"ganglion/internal/conf"
	"ganglion/internal/lifecycle"
)

const defaultConfig = "gateway.toml"

const runUsage = `gateway run serves until SIGTERM or Ctrl-C.

usage: gateway run [--config FILE]

  --config FILE       the configuration (default gateway.toml); it is read again when gateway reload or SIGHUP says so

signals:
  SIGTERM, Ctrl-C     finish what is in flight, then end; a second one cuts it and exits 1
  SIGHUP              reopen the access log, once it has been renamed, and read the file again, as gateway reload does
`

// serve is `gateway run`.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	line := newCommand("run", runUsage)
	file := line.String("config", defaultConfig, "")
	if err := line.ReadFlags(args, stdout); err != nil {
		return cmdline.UnlessHelp(err)
	}
	cfg, err := load(*file, stderr)
	if err != nil {
		return err
	}
	log := newLog(cfg.Log, stderr)
	accessLog, err := openAccessLog(cfg.Log.Access, stdout, stderr)
	if err != nil {
		return err
	}
	defer accessLog.Close()
	hangups := make(chan struct{}, 1) // one token: the configuration is to be read anew
	ctx, release := lifecycle.Signals(ctx, log, func(log *slog.Logger) {
		accessLog.reopen(log)
		select {
		case hangups <- struct{}{}:
		default: // it will be anyway
		}
	})
	defer release()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	edge, err := gateway.New(cfg, gateway.Options{Version: version, Log: log, AccessLog: accessLog.Writer, Registry: registry})
	if err != nil {
		return err
	}
	reload := func(ctx context.Context) (gateway.Reloaded, error) {
		return edge.Reload(ctx, func() (*gateway.Config, conf.Problems, error) { return gateway.LoadConfig(*file) })
	}
	ports, err := listen(cfg.Server, log)
	if err != nil {
		return err
	}
	defer ports.close()

	var parts lifecycle.Group
	// The admin port is started first and so stopped last: a drain can be watched to its end.
	if ports.admin != nil {
		parts.Add("admin", func(ctx context.Context) error { return admin.New(edge, reload, registry, log).Run(ctx, ports.admin) })
	}
	parts.Add("reloads", func(ctx context.Context) error { reloadAt(ctx, hangups, reload); return nil })
	parts.Add("gateway", func(ctx context.Context) error { return edge.Run(ctx, ports.http, ports.grpc) })
	log.Info("serving", "address", ports.http.Addr().String(), "version", version, "config", *file)
	if err := parts.Run(ctx); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// reloadAt reloads at each hangup until ctx ends. What went wrong is in the log: nobody waits for an answer.
func reloadAt(ctx context.Context, hangups <-chan struct{}, reload admin.Reload) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			_, _ = reload(ctx)
		}
	}
}

// load reads the configuration and prints what there is to say about it.
func load(file string, stderr io.Writer) (*gateway.Config, error) {
	cfg, warnings, err := gateway.LoadConfig(file)
	for _, w := range warnings {
		fmt.Fprintln(stderr, "warning: "+w.String())
	}
	if problems, ok := errors.AsType[conf.Problems](err); ok {
		fmt.Fprintln(stderr, problems.Error())
		return nil, errSaid
	}
	return cfg, err
}

func newLog(cfg gateway.LogConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	// The configuration was checked: the level is one that slog knows.
	_ = level.UnmarshalText([]byte(cfg.Level))
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
