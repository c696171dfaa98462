package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ganglion/gateway"
	"ganglion/internal/stack"
)

// The addresses of the shipped gateway.toml. The gateway's own are ":8080" and ":8081" there, which a demo has no
// business to open to the network.
const (
	defaultHTTP  = "127.0.0.1:8080"
	defaultGRPC  = "127.0.0.1:8081"
	defaultAdmin = "127.0.0.1:8082"
	defaultNode1 = "127.0.0.1:9000"
	defaultNode2 = "127.0.0.1:9100"

	shippedHTTP = ":8080"
	shippedGRPC = ":8081"
)

// stackConfig is what to run: the gateway's configuration as it is in the file, but for the addresses.
func (o options) stackConfig() (stack.Config, error) {
	if err := o.checkLibrary(); err != nil {
		return stack.Config{}, err
	}
	nodes := strings.Split(o.nodes, ",")
	if len(nodes) != 2 {
		return stack.Config{}, fmt.Errorf("--nodes %q: want two addresses with a comma between them", o.nodes)
	}
	text, err := os.ReadFile(o.config)
	if err != nil {
		return stack.Config{}, fmt.Errorf("cannot read the gateway's configuration: %w", err)
	}
	moved := o.moveAddresses(string(text), nodes)
	cfg, _, err := gateway.ParseConfig(o.config, []byte(moved)) // the gateway repeats the warnings
	if err != nil {
		return stack.Config{}, err
	}
	if cfg.Server.Admin == "" {
		return stack.Config{}, fmt.Errorf("%s: server.admin is off, but the demo needs it to see that the gateway is ready", o.config)
	}
	return stack.Config{
		BinDir:        o.bin,
		Models:        o.models,
		HTTP:          onLoopback(cfg.Server.HTTP), // the file's own, if somebody has changed it
		GRPC:          onLoopback(cfg.Server.GRPC),
		Admin:         onLoopback(cfg.Server.Admin),
		NodeAddresses: nodes,
		GatewayConfig: moved,
	}, nil
}

// moveAddresses puts other addresses in the place of the shipped ones; what has been changed in the file stays.
func (o options) moveAddresses(text string, nodes []string) string {
	quote := func(s string) string { return `"` + s + `"` }
	return strings.NewReplacer(
		quote(shippedHTTP), quote(o.http), quote(defaultHTTP), quote(o.http),
		quote(shippedGRPC), quote(o.grpc), quote(defaultGRPC), quote(o.grpc), quote(defaultAdmin), quote(o.admin),
		quote(defaultNode1), quote(nodes[0]), quote(defaultNode2), quote(nodes[1]),
	).Replace(text)
}

// onLoopback is where to reach a listener that is open on all addresses.
func onLoopback(address string) string {
	if strings.HasPrefix(address, ":") {
		return "127.0.0.1" + address
	}
	return address
}

// checkLibrary finds out early what a node would say at length.
func (o options) checkLibrary() error {
	if own := os.Getenv("ORT_LIBRARY"); own != "" {
		if _, err := os.Stat(own); err != nil {
			return fmt.Errorf("ORT_LIBRARY=%s: %w", own, cause(err))
		}
		return nil
	}
	found, err := filepath.Glob(filepath.Join(o.bin, "lib", "*onnxruntime*"))
	if err == nil && len(found) == 0 {
		return fmt.Errorf("no ONNX Runtime library in %s: make library fetches it, or set ORT_LIBRARY to your own", filepath.Join(o.bin, "lib"))
	}
	return err
}

// cause is an error without the path, which the message around it has named.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
