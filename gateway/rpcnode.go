package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"ganglion/gateway/rpc"
	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/rpcwire"
)

// rpcNode is the transport to a node that speaks gRPC, for those whose configuration says so: one connection carries all
// exchanges. Inferences that came over gRPC pass as they are; everything else is put into gRPC's form here and back.
type rpcNode struct {
	via      dialer
	cfg      UpstreamConfig
	answers  hop.Budget
	inflated inflation
	conn     atomic.Pointer[grpc.ClientConn] // nil = not running
	began    chan struct{}                   // closed once conn is there for the first time
	bridges  bridges
	busy     atomic.Int64
	dialed   atomic.Uint64

	vigil    *vigil // nil = nobody watches
	heard    atomic.Uint64
	incident atomic.Pointer[incident]
	line     atomic.Pointer[listening] // the newest connection
}

func newRPCNode(via dialer, cfg UpstreamConfig, answers hop.Budget, inflated inflation) *rpcNode {
	t := &rpcNode{via: via, cfg: cfg, answers: answers, inflated: inflated, began: make(chan struct{})}
	t.incident.Store(newIncident())
	return t
}

// incident is what calls that wait for the node have in common: they come back together when it falls silent.
type incident struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func newIncident() *incident {
	ctx, end := context.WithCancelCause(context.Background())
	return &incident{ctx, end}
}

// watch has the calls come back when nothing is heard of the node.
func (t *rpcNode) watch(p peer, log *slog.Logger) {
	t.vigil = newVigil(p, log, &t.heard, t.isAlive, t.release)
}

// isAlive asks the node for a sign of life, on the connection that carries the calls. Whatever it answers is one.
func (t *rpcNode) isAlive(ctx context.Context) error {
	conn := t.conn.Load()
	if conn == nil {
		return errNotRunning
	}
	before := t.heard.Load()
	_, err := pb.NewGRPCInferenceServiceClient(conn).ServerLive(ctx, &pb.ServerLiveRequest{})
	if err != nil && t.heard.Load() == before {
		return err
	}
	return nil
}

// release makes the calls come back that wait for the node. Should only the connection be dead, the next one will not be.
func (t *rpcNode) release() {
	t.incident.Swap(newIncident()).end(errSilent)
	if line := t.line.Load(); line != nil && !line.over.Swap(true) {
		_ = line.Close() // fails only if it is closed
	}
}

// run implements transport.
func (t *rpcNode) run(ctx context.Context) error {
	conn, err := t.connect(grpc.WithStatsHandler(hearing{}))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // fails only if it is closed
	t.conn.Store(conn)
	close(t.began)
	defer t.conn.Store(nil)
	if t.vigil == nil {
		<-ctx.Done()
		return nil
	}
	var hearing sync.WaitGroup
	defer hearing.Wait()
	hearing.Go(func() { t.hearGoaways(ctx, conn) })
	t.vigil.run(ctx)
	return nil
}

// hearGoaways tells the pool when the node says that it takes no more calls on its connection: grpc-go leaves the connection
// then, although the node has not ended it.
func (t *rpcNode) hearGoaways(ctx context.Context, conn *grpc.ClientConn) {
	var ready *listening // what calls go by; nil = none is
	for state := conn.GetState(); conn.WaitForStateChange(ctx, state); {
		state = conn.GetState()
		if ready != nil && state != connectivity.Ready && !ready.over.Load() {
			t.vigil.peer.Goaway()
		}
		if ready = nil; state == connectivity.Ready {
			ready = t.line.Load()
		}
	}
}

// connect makes a client of the node. It connects when it is first used, and again whenever it has to.
func (t *rpcNode) connect(opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	limit := int(t.cfg.MaxAnswer)
	opts = append(opts,
		grpc.WithTransportCredentials(t.via.credentials()),
		grpc.WithContextDialer(t.dial),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // that is the pool's business
		grpc.WithIdleTimeout(0),
		grpc.WithUserAgent("ganglion"),
		grpc.WithInitialWindowSize(nodeWindow),
		grpc.WithInitialConnWindowSize(4*nodeWindow),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectFirst, Multiplier: 2, Jitter: 0.2, MaxDelay: reconnectMost},
			MinConnectTimeout: t.cfg.ConnectTimeout,
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rpcwire.NewCodec()), grpc.MaxCallRecvMsgSize(limit), grpc.MaxCallSendMsgSize(1<<31-1)),
	)
	conn, err := grpc.NewClient("passthrough:///"+t.via.address, opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot make a gRPC client of node %q: %w", t.via.address, err)
	}
	return conn, nil
}

// nodeWindow is the flow control window of an answer: tensors of common size come without waiting for it to be renewed.
const nodeWindow = 1 << 20

func (t *rpcNode) dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: t.cfg.ConnectTimeout, Control: boundSilence}
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	t.dialed.Add(1)
	line := &listening{Conn: c, heard: &t.heard}
	t.line.Store(line)
	return line, nil
}

// stats implements transport: one connection, which is busy while any call is on it.
func (t *rpcNode) stats() transportStats {
	st := transportStats{name: "grpc", dials: t.dialed.Load()}
	if conn := t.conn.Load(); conn != nil && conn.GetState() == connectivity.Ready {
		st.busy = min(t.busy.Load(), 1)
		st.idle = 1 - st.busy
	}
	return st
}

// roundTrip implements transport.
func (t *rpcNode) roundTrip(out *outbound, resp *fasthttp.Response) error {
	t.busy.Add(1)
	defer t.busy.Add(-1)
	defer func() { out.end = time.Now() }()
	if t.vigil != nil {
		if !t.vigil.enter(out.patient) {
			return t.vigil.errMute(errSilent, true)
		}
		defer t.vigil.leave()
	}
	conn := t.client(out.start)
	if conn == nil {
		return &transportError{phase: connecting, err: errNotRunning, unsent: true}
	}
	together := context.Background()
	if !out.patient {
		together = t.incident.Load().ctx
	}
	ctx, cancel := context.WithDeadline(metadata.NewOutgoingContext(together, outgoing(out)), out.deadline)
	defer cancel()
	if !out.boardCall(cancel) {
		return errLeft
	}
	said := new(heard)
	out.answer.release()
	resp.Reset()
	err := t.ask(context.WithValue(ctx, heardKey{}, said), conn, out, resp)
	if out.alight() {
		return errLeft
	}
	if err != nil && context.Cause(together) != nil && !said.trailer.Load() {
		return t.vigil.errMute(err, false)
	}
	if n := len(resp.Body()); err == nil && n > keepScratch && !out.answer.grow(t.answers, int64(n)) {
		return errAnswerMemory
	}
	return t.judge(err, said, resp)
}

// client is the connection; nil = it is not open. Probes may have found the node up before run has had its turn: it is about to.
func (t *rpcNode) client(now time.Time) *grpc.ClientConn {
	if conn := t.conn.Load(); conn != nil {
		return conn
	}
	late := time.NewTimer(time.Until(now.Add(t.cfg.ConnectTimeout)))
	defer late.Stop()
	select {
	case <-t.began:
	case <-late.C:
	}
	return t.conn.Load()
}

var errNotRunning = errors.New("the connection is not open yet")

// ask puts the question that out is to the node and writes its answer into resp.
func (t *rpcNode) ask(ctx context.Context, conn *grpc.ClientConn, out *outbound, resp *fasthttp.Response) error {
	path, _, _ := strings.Cut(text(out.target), "?")
	call, ok := oip.ParsePath(path)
	if !ok {
		return status.Error(codes.NotFound, "no such path")
	}
	switch {
	case call.Kind != oip.CallModelInfer:
		return askRare(ctx, conn, call, out.body, resp)
	case isMessage(out):
		return passMessage(ctx, conn, call, out.body, resp)
	}
	b := t.bridges.acquire()
	defer t.bridges.release(b)
	return b.overGRPC(ctx, conn, call, out, resp, t.inflated)
}

// passMessage carries a ModelInferRequest as it is. What the path says of model and version counts, and is put behind the
// message where it says otherwise: of a field that comes twice, every reader takes the last.
func passMessage(ctx context.Context, conn *grpc.ClientConn, call oip.Call, msg []byte, resp *fasthttp.Response) error {
	head, err := oip.ScanProtoHead(msg)
	if err != nil {
		return err
	}
	var corrected []byte
	if string(head.Model) != call.Model {
		corrected = oip.AppendProtoModel(corrected, call.Model)
	}
	if string(head.Version) != call.Version {
		corrected = oip.AppendProtoVersion(corrected, call.Version)
	}
	var answer rpcwire.Message
	defer answer.Free()
	if err := conn.Invoke(ctx, methodInfer, rpcwire.NewMessage(msg, corrected), &answer); err != nil {
		return err
	}
	resp.SetBody(answer.Bytes())
	resp.Header.SetContentType(oip.ProtoContentType)
	return nil
}

const methodInfer = "/inference.GRPCInferenceService/ModelInfer"

// outgoing is the metadata of a call: the headers, but for those that describe a body which is no longer there, and those that
// metadata cannot hold: one of them would have grpc refuse the call, and look like a failure of the node's.
func outgoing(out *outbound) metadata.MD {
	md := make(metadata.MD, len(out.headers))
	for _, h := range out.headers {
		switch name := strings.ToLower(string(h.Name)); name {
		case "content-type", "content-encoding", "accept", "accept-encoding", "expect", "user-agent", strings.ToLower(headerInferLength):
		default:
			if !strings.HasPrefix(name, "grpc-") && isMetadata(name, h.Value) {
				md[name] = append(md[name], string(h.Value))
			}
		}
	}
	return md
}

// isMetadata reports whether a header can be a call's metadata as it is: names are of few characters, values are printable
// ASCII, and those of "-bin" are bytes that HTTP/1.1 writes in another way.
func isMetadata(name string, value []byte) bool {
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return !strings.HasSuffix(name, "-bin")
}

// heard notes whether a status came from the node or was made up on this side of the connection. It is read after the call.
type heard struct {
	asked   atomic.Bool // the call has been put on the connection
	trailer atomic.Bool
	refusal atomic.Value // of string: what the node's refusal is about
}

type heardKey struct{}

// hearing is a stats.Handler that fills heard.
type hearing struct{}

// TagRPC implements stats.Handler.
func (hearing) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (hearing) HandleRPC(ctx context.Context, s stats.RPCStats) {
	h, ok := ctx.Value(heardKey{}).(*heard)
	if !ok {
		return
	}
	switch s := s.(type) {
	case *stats.OutHeader:
		h.asked.Store(true)
	case *stats.InTrailer:
		if about := s.Trailer.Get(oip.RefusalName); len(about) > 0 {
			h.refusal.Store(about[0])
		}
		h.trailer.Store(true)
	}
}

// TagConn implements stats.Handler.
func (hearing) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (hearing) HandleConn(context.Context, stats.ConnStats) {}

// judge turns the end of a call into what a transport reports: an answer, if the node gave one, or else an error.
func (t *rpcNode) judge(err error, said *heard, resp *fasthttp.Response) error {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*oip.Error](err); ok { // could not be put into gRPC's form
		resp.Reset()
		httpserver.SetError(resp, refusal.Code.HTTPStatus(), refusal.Msg)
		if refusal.Refusal != "" {
			resp.Header.Set(oip.RefusalName, string(refusal.Refusal))
		}
		return nil
	}
	st, ok := status.FromError(err)
	switch {
	case !ok:
		return err
	case said.trailer.Load():
		resp.Reset()
		httpserver.SetError(resp, rpc.HTTPStatus(st.Code()), st.Message())
		if about, ok := said.refusal.Load().(string); ok {
			resp.Header.Set(oip.RefusalName, about)
		}
		return nil
	case st.Code() == codes.ResourceExhausted:
		return errAnswerTooLarge
	case st.Code() == codes.Internal && !said.asked.Load():
		// The request's own: its headers come to more than the node takes.
		resp.Reset()
		httpserver.SetError(resp, fasthttp.StatusRequestHeaderFieldsTooLarge, "the request's headers cannot go to the model's node: "+st.Message())
		return nil
	case st.Code() == codes.DeadlineExceeded:
		return &transportError{phase: silent, err: err}
	case st.Code() == codes.Unavailable && !said.asked.Load():
		return &transportError{phase: connecting, err: err, unsent: true}
	case st.Code() == codes.Unavailable:
		return &transportError{phase: hopping, err: err}
	case st.Code() == codes.NotFound:
		resp.Reset()
		httpserver.SetError(resp, fasthttp.StatusNotFound, st.Message())
		return nil
	}
	return &transportError{phase: receiving, err: err}
}
