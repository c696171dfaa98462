package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"ganglion/internal/oip"
	"ganglion/internal/rpcwire"
)

// streamWindow is how many messages of one stream may be under way at once. It fills a batch of the size that most models
// are run with, and bounds what one client that never waits can take of the nodes.
const streamWindow = 32

// turn is one message of a stream, from its arrival to its answer's departure.
type turn struct {
	question Question
	id       string
	message  rpcwire.Message
	answer   Answer // set when done is closed; nil = err
	err      error
	answered chan struct{}
}

// inferStream is a ModelStreamInfer. Its handler sends the answers, in the order of their messages; a receiver beside it
// reads the messages and starts a goroutine for each.
type inferStream struct {
	server *Server
	stream grpc.ServerStream
	opened *Question       // what the stream's own call knows: client, metadata
	ctx    context.Context // ends with the handler, and earlier when the client leaves
	turns  chan *turn      // in the order of the messages; closed by the receiver
	slots  chan struct{}   // one element for each message under way
	ended  error           // why the receiver stopped; read after turns is closed
}

// inferStream is the handler of ModelStreamInfer. Every message is an exchange of its own, on the node that suits it best:
// the stream holds its client's order, and nothing else.
func (s *Server) inferStream(stream grpc.ServerStream) error {
	c := callOf(stream.Context())
	c.counted = true // its messages are
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	st := &inferStream{
		server: s, stream: stream, opened: &c.question, ctx: ctx,
		turns: make(chan *turn, streamWindow), slots: make(chan struct{}, streamWindow),
	}
	s.background.Go(st.receive)
	err := st.answer()
	// The receiver ends with the stream, which ends when this handler has returned: it cannot be waited for here.
	s.background.Go(func() { st.abandon(err) })
	return err
}

// answer sends the answers until there are no more messages, or no more can be sent.
func (st *inferStream) answer() error {
	plain := isTrue(st.opened.Metadata.Get("triton_grpc_error"))
	for {
		select {
		case t, ok := <-st.turns:
			if !ok {
				return st.ended
			}
			if err := st.deliver(t, plain); err != nil {
				return err
			}
		case <-st.server.stopping:
			select {
			case t, ok := <-st.turns:
				if ok {
					if err := st.deliver(t, plain); err != nil {
						return err
					}
					continue
				}
				return st.ended
			default:
				return errDraining
			}
		}
	}
}

// errDraining ends what would otherwise never end by itself.
var errDraining = status.Error(codes.Unavailable, "the gateway is being stopped; connect again")

// isTrue reads a flag of the call's metadata.
func isTrue(values []string) bool { return len(values) > 0 && values[len(values)-1] == "true" }

// deliver waits for the answer to a message and sends it. With plain, an error ends the stream as its status, as clients
// may ask for; otherwise it is an answer among others.
func (st *inferStream) deliver(t *turn, plain bool) error {
	select {
	case <-t.answered:
	case <-st.ctx.Done():
		<-t.answered // soon: it has the same context
	}
	defer func() { <-st.slots }()
	if st.ctx.Err() != nil {
		err := gone(st.ctx)
		st.sent(t, err)
		return err
	}
	failed := t.failed()
	if failed != nil && plain {
		st.sent(t, failed)
		return failed
	}
	var body mem.Buffer
	if failed == nil {
		body, failed = st.server.unread.bodyOf(t.answer)
	}
	err := st.stream.SendMsg(rpcwire.HandOver(t.reply(body, failed)...))
	if err == nil {
		st.sent(t, failed)
	} else {
		st.sent(t, err)
	}
	return err
}

// receive reads messages until the client has no more.
func (st *inferStream) receive() {
	defer close(st.turns)
	for {
		select {
		case st.slots <- struct{}{}:
		case <-st.ctx.Done():
			st.ended = gone(st.ctx)
			return
		}
		t := &turn{question: *st.opened, answered: make(chan struct{})}
		if err := st.stream.RecvMsg(&t.message); err != nil {
			if !errors.Is(err, io.EOF) {
				st.ended = err
				st.refuse(err)
			}
			return
		}
		t.question.Start = st.server.now()
		st.turns <- t // has room for as many as there are slots
		st.server.background.Go(func() { st.ask(t) })
	}
}

// refuse records a message that could not be read; a client that merely left is no such thing.
func (st *inferStream) refuse(err error) {
	if s, _ := status.FromError(err); s.Code() != codes.Canceled && s.Code() != codes.DeadlineExceeded {
		st.server.edge.Refused(st.opened, s.Code(), s.Message())
	}
}

// ask gets the answer to one message.
func (st *inferStream) ask(t *turn) {
	defer close(t.answered)
	defer st.server.contain(&t.err)
	defer t.message.Free()
	release, err := st.server.bodies.hold(len(t.message.Bytes()))
	if err != nil {
		t.err = err
		return
	}
	defer release()
	if t.err = readHead(&t.question, t.message.Bytes(), &t.id); t.err != nil {
		return
	}
	t.answer = st.server.edge.Ask(st.ctx, &t.question)
}

// abandon ends the exchanges whose answers nobody is going to send any more.
func (st *inferStream) abandon(why error) {
	for t := range st.turns {
		<-t.answered
		st.sent(t, why)
		<-st.slots
	}
}

// failed is the error that answers the message, nil when it has a proper answer.
func (t *turn) failed() error {
	if t.answer == nil {
		return t.err
	}
	return errorOf(t.answer)
}

// sent ends the exchange of a message; err is what its client was told.
func (st *inferStream) sent(t *turn, err error) {
	if t.answer != nil {
		t.answer.Sent(status.Code(err))
		return
	}
	st.server.edge.Refused(&t.question, status.Code(t.err), status.Convert(t.err).Message())
}

// The fields of ModelStreamInferResponse.
const (
	streamError    = 1<<3 | 2 // error_message, a string
	streamResponse = 2<<3 | 2 // infer_response, a message
)

// lastAnswer is the parameter triton_final_response = true, as bytes of a ModelInferResponse: Triton says with it that no
// further answer to the same request comes, and clients of decoupled models look for it. Here there is one to each.
const lastAnswer = "\x22\x1b\x0a\x15triton_final_response\x12\x02\x08\x01"

// reply is the ModelStreamInferResponse to a message, with the answer's body or with why there is none. The id stands in it beside an error, too: clients match by it.
func (t *turn) reply(body mem.Buffer, failed error) mem.BufferSlice {
	if failed == nil {
		head := binary.AppendUvarint([]byte{streamResponse}, uint64(body.Len()+len(lastAnswer)))
		return mem.BufferSlice{mem.SliceBuffer(head), body, mem.SliceBuffer(lastAnswer)}
	}
	text := status.Convert(failed).Message()
	out := append(binary.AppendUvarint([]byte{streamError}, uint64(len(text))), text...)
	var response []byte
	if t.id != "" {
		response = oip.AppendProtoID(nil, t.id)
	}
	out = append(binary.AppendUvarint(append(out, streamResponse), uint64(len(response))), response...)
	return mem.BufferSlice{mem.SliceBuffer(out)}
}
