package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/internal/certs"
	"ganglion/internal/conf"
)

const serveUsage = `usage: backend serve [flags]

  --models DIR       the model repository: DIR/<name>/<version>/model.onnx, with an
                     optional DIR/<name>/config.toml (default "models")
  --watch TIME       look this often for models and versions that are new, changed or gone, and
                     load or unload them; 0 only loads what is asked for (default "0s")
  --control LEVEL    what requests may do to models: off; on, load and unload them; files, also
                     bring model files of their own (default "on")
  --http ADDR        where to answer REST requests and GET /metrics (default ":9000")
  --path-prefix PATH also answer under this path: with "/serving", /serving/v2/models/iris
  --grpc ADDR        where to answer gRPC requests; "" turns gRPC off (default ":9001")
  --device DEVICE    where models run that do not say it themselves: auto, cpu, cuda:N or
                     tensorrt:N. auto takes the first CUDA device if the library supports
                     CUDA and the device answers, else the CPU (default "auto")
  --tls-cert FILE    speak TLS 1.3 on both ports, with this certificate (PEM, intermediate ones
                     behind it); the files are read again when they change
  --tls-key FILE     the certificate's key (PEM)
  --tls-client-ca FILE
                     let in only clients that show a certificate of these authorities (PEM)
  --id NAME          names this node in logs, metrics and the X-Node-Id header of answers
  --max-body SIZE    largest request body (default "64MiB")
  --max-output SIZE  largest outputs of one inference, together (default "64MiB")
  --memory SIZE      host memory that all inferences under way may use together; 0 sets no
                     bound (default: a quarter of what this machine or container has)
  --timeout TIME     longest inference, its wait for a free CPU included (default "1m")
  --log-level LEVEL  debug, info, warn or error (default "info")

The ONNX Runtime library is $ORT_LIBRARY if that is set, else lib/` + "%s" + `
beside this program ("make library" fetches it).

Try it:
  backend serve --models models &
  curl localhost:9000/v2/models/iris
`

// options are what the command line says.
type options struct {
	node     backend.Config
	http     string
	grpc     string
	device   string
	memory   sizeFlag
	logLevel slog.Level
	tls      certs.ServerConfig // Cert is "" where TLS is off
}

// parseFlags returns flag.ErrHelp after it has printed the help.
func parseFlags(args []string, stdout io.Writer) (options, error) {
	o := options{
		node:   backend.DefaultConfig(),
		memory: sizeFlag{most: 1 << 50, value: quarter(machineMemory())},
	}
	o.node.Version = version
	o.tls.SetDefaults()
	maxBody := sizeFlag{least: conf.KiB, most: 2 * conf.GiB, value: o.node.HTTP.MaxBody}
	maxOutput := sizeFlag{least: conf.KiB, most: 1 << 50, value: o.node.MaxOutput}
	timeout := durationFlag{least: 10 * time.Millisecond, value: o.node.Timeout}
	watch := durationFlag{least: 100 * time.Millisecond, none: true, value: o.node.Watch}

	line := newCommand("serve", fmt.Sprintf(serveUsage, onnx.LibraryFile()))
	line.StringVar(&o.node.Models, "models", "models", "")
	line.StringVar(&o.http, "http", ":9000", "")
	line.StringVar(&o.grpc, "grpc", ":9001", "")
	line.StringVar(&o.device, "device", "auto", "")
	line.StringVar(&o.node.ID, "id", "", "")
	line.StringVar(&o.tls.Cert, "tls-cert", "", "")
	line.StringVar(&o.tls.Key, "tls-key", "", "")
	line.StringVar(&o.tls.ClientCA, "tls-client-ca", "", "")
	line.Var((*prefixFlag)(&o.node.PathPrefix), "path-prefix", "")
	line.Var(&maxBody, "max-body", "")
	line.Var(&maxOutput, "max-output", "")
	line.Var(&o.memory, "memory", "")
	line.Var(&timeout, "timeout", "")
	line.Var(&watch, "watch", "")
	line.TextVar(&o.node.Control, "control", o.node.Control, "")
	line.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "")
	if err := line.ReadFlags(args, stdout); err != nil {
		return o, err
	}
	if err := onnx.ParseDevice(o.device); err != nil {
		return o, line.Misused("--device: %w", err)
	}
	if err := checkTLS(&o.tls); err != nil {
		return o, line.Misused("%w", err)
	}
	o.node.HTTP.MaxBody = maxBody.value
	// All bodies at once: room for some of the largest, or one alone would keep everybody else out.
	o.node.HTTP.MaxBodyMemory = max(o.node.HTTP.MaxBodyMemory, 4*maxBody.value)
	o.node.MaxOutput = maxOutput.value
	o.node.Timeout = timeout.value
	o.node.Watch = watch.value
	return o, nil
}

// prefixFlag is a flag for what paths may begin with.
type prefixFlag string

func (f *prefixFlag) String() string { return string(*f) }

func (f *prefixFlag) Set(s string) error {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("?#%\\\"", c) >= 0 {
			return errors.New(`want a path of letters, digits and slashes, such as "/serving"`)
		}
	}
	if s != "" && (s[0] != '/' || s[len(s)-1] == '/') {
		return errors.New(`want a path that begins with a slash and does not end with one, such as "/serving"`)
	}
	*f = prefixFlag(s)
	return nil
}

// sizeFlag is a flag for a number of bytes.
type sizeFlag struct{ least, most, value conf.Size }

func (f *sizeFlag) String() string { return f.value.String() }

func (f *sizeFlag) Set(s string) error {
	size, err := conf.ParseSize(s)
	if err != nil {
		return err
	}
	if size < f.least || size > f.most {
		return fmt.Errorf("want %s to %s", f.least, f.most)
	}
	f.value = size
	return nil
}

// durationFlag is a flag for a length of time.
type durationFlag struct {
	least, value time.Duration
	none         bool // 0 is accepted too
}

func (f *durationFlag) String() string { return f.value.String() }

func (f *durationFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return errors.New(`want a length of time, such as "500ms" or "1m"`)
	}
	if d < f.least && !(f.none && d == 0) {
		return fmt.Errorf("want at least %s", f.least)
	}
	f.value = d
	return nil
}

// quarter of the machine's memory is for inferences: weights, requests, answers and the program itself live in the rest,
// and a second node on the same machine must fit too, since nodes know nothing of each other. It is a bound, not a
// reservation.
func quarter(memory conf.Size) conf.Size { return memory / 4 / conf.MiB * conf.MiB }
