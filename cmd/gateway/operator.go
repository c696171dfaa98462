package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"ganglion/gateway"
	"ganglion/internal/cmdline"
)

// operator asks a running gateway over its admin port.
type operator struct {
	address string // "host:port"
	client  *http.Client
}

// adminFlags are how the commands that ask a running gateway find it.
type adminFlags struct {
	admin, config string
	line          *cmdline.Command
}

func (a *adminFlags) register(line *cmdline.Command) {
	a.line = line
	line.StringVar(&a.admin, "admin", "", "")
	line.StringVar(&a.config, "config", defaultConfig, "")
}

// operator finds the gateway: where --admin says, or else where its configuration has it listen.
func (a *adminFlags) operator() (*operator, error) {
	address := a.admin
	if address == "" {
		var err error
		if address, err = gateway.LoadAdmin(a.config); err != nil {
			return nil, fmt.Errorf("cannot learn from %s where the gateway's admin port is (--admin HOST:PORT says it too): %w", a.config, err)
		}
		if address == "" {
			return nil, fmt.Errorf("%s turns the admin port off (server.admin = \"\"): without it a gateway takes no orders", a.config)
		}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, a.line.Misused("--admin %q is no address: accepted is \"127.0.0.1:8082\"", address)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost" // what listens everywhere listens here
	}
	// No answer of this port takes long: it is made in memory.
	return &operator{address: net.JoinHostPort(host, port), client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}}, nil
}

// close lets go of connections.
func (o *operator) close() { o.client.CloseIdleConnections() }

// ask sends one request and reads the answer into v.
func (o *operator) ask(ctx context.Context, method, path string, query url.Values, v any) error {
	resp, err := o.open(ctx, method, path, query, http.NoBody)
	if err != nil {
		return err
	}
	return o.read(resp, v)
}

// open sends one request and returns its answer, which is a good one. The caller closes its body.
func (o *operator) open(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	target := url.URL{Scheme: "http", Host: o.address, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, err
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return nil, o.unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, o.brokeOff(err)
	}
	return nil, o.refusal(resp.StatusCode, path, said)
}

// read reads an answer into v, and closes it.
func (o *operator) read(resp *http.Response, v any) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return o.brokeOff(err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("what answers at %s is no gateway's admin port: %w", o.address, err)
	}
	return nil
}

func (o *operator) brokeOff(err error) error {
	return fmt.Errorf("the answer of %s broke off: %w", o.address, err)
}

// errNobody means that the admin port could not be reached.
var errNobody = errors.New("no gateway answers")

func (o *operator) unreachable(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("%w at %s: %w; is it running, and is that its server.admin?", errNobody, o.address, err)
}

func (o *operator) refusal(status int, path string, body []byte) error {
	var said struct {
		Error    string   `json:"error"`
		Problems []string `json:"problems"`
	}
	if json.Unmarshal(body, &said) == nil && said.Error != "" {
		if len(said.Problems) > 0 {
			said.Error += ":\n" + strings.Join(said.Problems, "\n")
		}
		return fmt.Errorf("the gateway at %s says: %s", o.address, said.Error)
	}
	return fmt.Errorf("%s answers %d to %s: it is no gateway's admin port, or that of an older one", o.address, status, path)
}
