package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"ganglion/gateway"
	"ganglion/internal/cmdline"
)

const recordUsage = `gateway record writes what a running gateway's pools decide, one line of JSON for each attempt, to standard output.

usage: gateway record [flags] > trace.jsonl

  --for D             how long (default 10s, at most 10m)
  --pool NAME         this pool only; may be repeated
  --admin HOST:PORT   the gateway's admin port (default: server.admin of the file)
  --config FILE       the gateway's configuration (default gateway.toml)

Decisions that come faster than they can be written are dropped; the last line counts them. gateway replay reads what was
written.
`

// record is `gateway record`.
func record(ctx context.Context, args []string, stdout io.Writer) error {
	query := url.Values{}
	line := newCommand("record", recordUsage)
	length := line.Duration("for", 10*time.Second, "")
	var where adminFlags
	where.register(line)
	line.Func("pool", "", func(name string) error {
		query.Add("pool", name)
		return nil
	})
	if err := line.ReadFlags(args, stdout); err != nil {
		return cmdline.UnlessHelp(err)
	}
	if *length <= 0 || *length > gateway.MaxRecording {
		return line.Misused("--for %s: accepted is more than 0, up to %s", *length, gateway.MaxRecording)
	}
	query.Set("for", length.String())
	o, err := where.operator()
	if err != nil {
		return err
	}
	defer o.close()
	o.client.Timeout = 0 // the answer takes as long as the recording
	resp, err := o.open(ctx, http.MethodPost, "/record", query, http.NoBody)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(stdout, resp.Body)
	return err
}
