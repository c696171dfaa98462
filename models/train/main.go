// Train makes the demo models in plain Go: it reads public data, trains a small
// network and writes an ONNX file, with no Python and no library.
//
//	go run ./models/train iris      four measurements of a flower: its species
//	go run ./models/train fashion   a 28x28 picture of a garment: its kind
//	go run ./models/train langid    a text's bytes: its language
//	go run ./models/train encoder   random weights in the shape of MiniLM, for load tests
//
// It owns how the models are made; what they are, and how good, is in
// models/README.md. It refuses to guess: unknown data, commands and flags are
// errors. The same sources give the same bytes on every machine and with any
// number of processors (see parallel.go and vector.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"ganglion/internal/onnxfile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "train:", err)
		}
		os.Exit(1) //nolint:gocritic // nothing that stop undoes outlives the process
	}
}

// A trainer makes one model; it prints progress to w and stops when ctx ends.
type trainer struct {
	name  string
	out   string // where its model goes unless -o says otherwise
	train func(ctx context.Context, f *options, w io.Writer) (*onnxfile.Model, error)
}

// trainers are the commands.
func trainers() []trainer {
	return []trainer{
		{"iris", "models/iris/1/model.onnx", trainIris},
		{"fashion", "models/fashion_mnist_cnn/1/model.onnx", trainFashion},
		{"langid", "models/language_id/1/model.onnx", trainLangID},
		{"encoder", "bin/models/encoder/1/model.onnx", makeEncoder},
	}
}

// options are the flags of every command.
type options struct {
	data    string // folder that fetch-data.sh fills
	out     string
	encoder encoderShape
}

// run makes the model that args name.
func run(ctx context.Context, args []string, w io.Writer) error {
	all := trainers()
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.name
	}
	if len(args) == 0 {
		return fmt.Errorf("no model is named: train %s", strings.Join(names, "|"))
	}
	i := slices.Index(names, args[0])
	if i < 0 {
		return fmt.Errorf("unknown model %q: accepted are %s", args[0], strings.Join(names, ", "))
	}
	opt, err := parse(all[i], args[1:])
	if err != nil {
		return err
	}
	m, err := all[i].train(ctx, opt, w)
	if err != nil {
		return err
	}
	return write(m, opt.out, w)
}

// parse reads the flags after the command.
func parse(t trainer, args []string) (*options, error) {
	opt := new(options)
	fs := flag.NewFlagSet("train "+t.name, flag.ContinueOnError)
	fs.StringVar(&opt.out, "o", t.out, "write the model to this `file`")
	switch t.name {
	case "encoder":
		opt.encoder.flags(fs)
	case "fashion", "langid": // iris brings its data
		fs.StringVar(&opt.data, "data", "models/train/data", "`folder` that models/train/fetch-data.sh filled")
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: only flags follow %q", fs.Arg(0), t.name)
	}
	return opt, nil
}
