package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"ganglion/gateway"
	"ganglion/internal/cmdline"
)

const explainUsage = `gateway explain says what a gateway would do with a request, and why: route, variant, cache, and every node with its score.

usage: gateway explain --model NAME [flags]

  --model NAME        the model that the client names
  --version V         the version that it names in the path
  --header "K: V"     a header of the request; may be repeated
  --key K             in place of the header that the pool's keys come from; 0x... is a key's hash, as in a recording
  --body FILE         the request's body ("-" is standard input): keys of cache and pool depend on it
  --json              print JSON
  --admin HOST:PORT   the gateway's admin port (default: server.admin of the file)
  --config FILE       the gateway's configuration (default gateway.toml)
  --offline           say what the file alone can tell, as it is also done when no gateway answers where the file has it

Nothing is counted and no turn is taken. Between this answer and the next request others may come.
`

// explainFlags are the command line of gateway explain.
type explainFlags struct {
	adminFlags
	question gateway.Question
	offline  bool
	json     bool
}

// explain is `gateway explain`.
func explain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f, err := parseExplain(args, stdout)
	if err != nil {
		return cmdline.UnlessHelp(err)
	}
	e, err := f.explanation(ctx, stderr)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(stdout, e)
	}
	return printExplanation(stdout, e)
}

func parseExplain(args []string, stdout io.Writer) (*explainFlags, error) {
	f := &explainFlags{}
	var body string
	line := newCommand("explain", explainUsage)
	line.StringVar(&f.question.Model, "model", "", "")
	line.StringVar(&f.question.Version, "version", "", "")
	line.Func("header", "", func(header string) error {
		f.question.Headers = append(f.question.Headers, header)
		return nil
	})
	line.StringVar(&f.question.Key, "key", "", "")
	line.StringVar(&body, "body", "", "")
	f.register(line)
	line.BoolVar(&f.offline, "offline", false, "")
	line.BoolVar(&f.json, "json", false, "")
	if err := line.ReadFlags(args, stdout); err != nil {
		return nil, err
	}
	switch {
	case f.question.Model == "":
		return nil, line.Misused("--model is missing")
	case f.admin != "" && f.offline:
		return nil, line.Misused("either --admin or --offline")
	}
	return f, f.read(body)
}

// read reads the request's body.
func (f *explainFlags) read(file string) (err error) {
	switch file {
	case "":
	case "-":
		f.question.Body, err = io.ReadAll(os.Stdin)
	default:
		f.question.Body, err = os.ReadFile(file)
	}
	return err
}

// explanation is that of the running gateway, or of its file if there is none.
func (f *explainFlags) explanation(ctx context.Context, stderr io.Writer) (*gateway.Explanation, error) {
	if f.offline {
		return explainFile(f, stderr)
	}
	e, err := explainLive(ctx, f)
	if errors.Is(err, errNobody) && f.admin == "" {
		fmt.Fprintf(stderr, "warning: %v\n", err)
		return explainFile(f, stderr)
	}
	return e, err
}

// explainLive asks the running gateway.
func explainLive(ctx context.Context, f *explainFlags) (*gateway.Explanation, error) {
	o, err := f.operator()
	if err != nil {
		return nil, err
	}
	defer o.close()
	question, err := json.Marshal(f.question)
	if err != nil {
		return nil, err
	}
	resp, err := o.open(ctx, http.MethodPost, "/explain", nil, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	var e gateway.Explanation
	return &e, o.read(resp, &e)
}

// explainFile makes a gateway of the file that never runs.
func explainFile(f *explainFlags, stderr io.Writer) (*gateway.Explanation, error) {
	cfg, err := load(f.config, stderr)
	if err != nil {
		return nil, err
	}
	cfg.Log.Access = "off"
	g, err := gateway.New(cfg, gateway.Options{Version: version, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return g.Explain(f.question)
}
