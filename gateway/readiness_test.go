package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

// lacking are the models that a node counts as not having, by its place.
func (e *edge) lacking(node int) (models []string) {
	for _, m := range e.gateway.Status().Pools[0].Nodes[node].Models {
		if m.Missing {
			models = append(models, m.Model)
		}
	}
	return models
}

func (e *edge) eventuallyLacks(node int, models ...string) {
	e.t.Helper()
	eventually(e.t, fmt.Sprintf("node %d lacks %q", node, models), func() bool { return slices.Equal(e.lacking(node), models) })
}

// Both kinds of server that speak HTTP: those with an index, and those that are asked for one model after the other.
func TestANodeGetsNothingOfAModelThatItDoesNotHave(t *testing.T) {
	for _, indexed := range []bool{true, false} {
		t.Run(fmt.Sprintf("indexed=%t", indexed), func(t *testing.T) {
			a, b := testnode.Start(t), testnode.Start(t)
			a.SetModels(indexed, "both", "mine")
			b.SetModels(indexed, "both", "yours", "both/versions/2")
			e := start(t, twoNodes+`
[routes.both]
pool = "main"
[routes.both.canary]
version = "2"
weight = 50
header = "X-Canary"
[routes.mine]
pool = "main"
[routes.yours]
pool = "main"
[routes.nobodys]
pool = "main"
`, a, b)
			e.eventuallyLacks(0, "both/versions/2", "nobodys", "yours")
			e.eventuallyLacks(1, "mine", "nobodys")
			for range 20 {
				if got := e.do("POST", "/v2/models/mine/infer", inferBody).want(t, 200).node(); got != a.Name() {
					t.Fatal("the node without the model got a request of it")
				}
				if got := e.do("POST", "/v2/models/both/infer", inferBody, "X-Canary: always").want(t, 200).node(); got != b.Name() {
					t.Fatal("the node without the version got a request of it")
				}
			}
			if e.do("POST", "/v2/models/nobodys/infer", inferBody).want(t, 200).node() == "" {
				t.Error("a model that no node has is sent to none: the pool must fail open")
			}
			// Loaded now: it has its share again, without an attempt that finds out.
			b.SetModels(indexed, "both", "yours", "both/versions/2", "mine")
			e.eventuallyLacks(1, "nobodys")
			if a.IndexProbes() == 0 {
				t.Error("nobody asked for the index")
			}
			if indexed != (a.IndexProbes() > 1) {
				t.Errorf("asked for the index %d times", a.IndexProbes())
			}
		})
	}
}

func TestOneQuestionAProbeWhateverTheNumberOfModels(t *testing.T) {
	a := testnode.Start(t)
	a.SetModels(true, "m0")
	var config strings.Builder
	config.WriteString(oneNode)
	for i := range 300 {
		fmt.Fprintf(&config, "[routes.m%d]\npool = \"main\"\n", i)
	}
	e := start(t, config.String(), a)
	eventually(t, "299 models are missing", func() bool { return len(e.lacking(0)) == 299 })
	// Probes go on: what is read first and last makes their number the larger one, but for one that has yet to ask.
	probes := a.Probes()
	before := a.IndexProbes()
	eventually(t, "ten probes", func() bool { return a.Probes() >= probes+10 })
	got := a.IndexProbes() - before
	if made := int(a.Probes() - probes); got > made+1 {
		t.Errorf("%d questions for the index with %d probes", got, made)
	}
}

func TestManyModelsAreAskedForSomeAtATime(t *testing.T) {
	a := testnode.Start(t)
	a.SetModels(false, "m7")
	var config strings.Builder
	config.WriteString(oneNode)
	for i := range 3 * modelsAtOnce {
		fmt.Fprintf(&config, "[routes.m%d]\npool = \"main\"\n", i)
	}
	e := launch(t, config.String(), a)
	eventually(t, "all but one are missing", func() bool {
		known := len(e.lacking(0))
		if most := modelsAtOnce * int(a.Probes()); known > most { // read after what they have led to
			t.Fatalf("%d models were asked for, want %d at most", known, most)
		}
		return known == 3*modelsAtOnce-1
	})
}

func TestTheGatewayIsReadyOnceANodeHasAModel(t *testing.T) {
	a := testnode.Start(t)
	a.SetModels(true, "other")
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n", a)
	eventually(t, "not ready", func() bool { return e.gateway.Ready() != nil })
	if err := e.gateway.Ready(); !strings.Contains(err.Error(), "has its model") {
		t.Errorf("not ready: %v", err)
	}
	a.SetModels(true, "other", "m")
	eventually(t, "ready", func() bool { return e.gateway.Ready() == nil })
}

// stocked is a gRPC node with an index, or one without.
type stocked struct {
	pb.UnimplementedGRPCInferenceServiceServer
	indexed bool
	mu      sync.Mutex
	models  []string
}

func (s *stocked) set(models ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models = models
}

func (s *stocked) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: true}, nil
}

func (s *stocked) ModelReady(_ context.Context, in *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pb.ModelReadyResponse{Ready: slices.Contains(s.models, in.GetName())}, nil
}

func (s *stocked) RepositoryIndex(context.Context, *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	if !s.indexed {
		return nil, status.Error(codes.Unimplemented, "no such call")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &pb.RepositoryIndexResponse{}
	for _, name := range s.models {
		out.Models = append(out.Models, &pb.RepositoryIndexResponse_ModelIndex{Name: name, Version: "1", State: "READY"})
	}
	return out, nil
}

func TestAGRPCNodeSaysWhichModelsItHas(t *testing.T) {
	for _, indexed := range []bool{true, false} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n := &stocked{indexed: indexed, models: []string{"one"}}
		serveGRPC(t, ln, n)
		e := launch(t, fmt.Sprintf("[pools.main]\nnodes = [{ address = %q, protocol = \"grpc\" }]\n", ln.Addr())+fastHealth+
			"[routes.one]\npool = \"main\"\n[routes.two]\npool = \"main\"\n")
		e.eventuallyLacks(0, "two")
		n.set("one", "two")
		e.eventuallyLacks(0)
	}
}

// What this process has run out of is no fault of a node's.
func TestOurOwnWantsAreNoVerdict(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS} {
		if err := error(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", errno)}); !isOurs(err) {
			t.Errorf("%v counts against the node", err)
		}
	}
	for _, err := range []error{
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, context.DeadlineExceeded, errors.New("no"),
	} {
		if isOurs(err) {
			t.Errorf("%v does not count against the node", err)
		}
	}
}

// saying is a node that has no index, and says so much of models; what it says nothing of is 501.
type saying map[string]bool

func (saying) index() ([]oip.IndexEntry, error) { return nil, errNoIndex }

func (s saying) ready(model, version string) (bool, error) {
	is, said := s[model]
	if !said || version != "" {
		return false, errUnreadable
	}
	return is, nil
}

// TestWhatANodeDoesNotSayKeepsNobodyFromTheRest: KServe's servers know no versions.
func TestWhatANodeDoesNotSayKeepsNobodyFromTheRest(t *testing.T) {
	found := map[string]bool{}
	var v inventory
	v.oneByOne([]string{"a", "a/versions/2", "b"}, saying{"a": true, "b": false}, found)
	if want := map[string]bool{"a": true, "b": false}; !maps.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
}
