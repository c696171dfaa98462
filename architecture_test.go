// Package ganglion_test guards the shape of the tree: which package may import which, and that each explains itself.
package ganglion_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "ganglion"

// rule forbids imports to the packages of one folder (and below it), except those listed in but.
type rule struct {
	in     string   // folder, "" is the whole tree
	but    []string // folders that are excused
	forbid []string // import paths; each also covers what lies below it, but for one that ends in $
	why    string
}

// rules are the arrows of the design: each names what it protects.
var rules = []rule{
	{in: "gateway", forbid: own("backend"), why: "gateway and node meet on the wire, so that the gateway builds without cgo"},
	{in: "cmd/gateway", forbid: own("backend"), why: "the gateway binary carries nothing of the node"},
	{in: "backend", forbid: own("gateway", "balancer", "cache"), why: "a node knows nothing of the edge"},
	{in: "cmd/backend", forbid: own("gateway", "balancer", "cache"), why: "the node binary carries nothing of the edge"},
	{in: "backend", but: []string{"backend/onnx"}, forbid: own("backend/onnx"), why: "the node sees engines through its Engine interface; cmd/backend wires the one it has"},
	{in: "backend/rpc", forbid: append(own("backend/modelconf", "backend/onnx", "internal/hop", "internal/httpserver"), module+"/backend$", "github.com/valyala/fasthttp"), why: "the node's gRPC server asks the node through an interface of its own; cmd/backend joins them"},
	{in: "backend/modelconf", forbid: append(own("backend/check", "backend/inspect", "backend/gpu", "backend/rpc"), module+"/backend$"), why: "a model's configuration is read without a node"},
	{in: "backend/scheduler", forbid: append(own("backend/modelconf", "backend/rpc", "internal/conf", "internal/hop", "internal/httpserver"), module+"/backend$", "github.com/prometheus"), why: "the scheduler orders runs; what it counts it tells its observer"},
	{in: "backend/check", forbid: append(own("backend/modelconf", "backend/scheduler", "backend/rpc"), module+"/backend$"), why: "the check asks a node as any client would, through what it is given"},
	{in: "backend/inspect", forbid: append(own("backend/scheduler", "backend/rpc"), module+"/backend$"), why: "a model file is described without a node"},
	{in: "backend/gpu", forbid: []string{module}, why: "the devices know nothing of models"},
	{in: "gateway/rpc", forbid: append(own("balancer", "cache", "gateway/admin", "gateway/rollout", "internal/hop", "internal/httpserver"), module+"/gateway$", "github.com/valyala/fasthttp"), why: "the edge's gRPC server asks the edge through an interface of its own, and knows no nodes"},
	{in: "gateway/rollout", forbid: []string{module}, why: "splitting and mirroring know nothing of what is split"},
	{in: "balancer", forbid: append(own("gateway", "cache", "internal/oip", "internal/httpserver"), "github.com/valyala/fasthttp", "net/http"), why: "the balancer picks; probing and forwarding are handed to it"},
	{in: "cache", forbid: append(own("gateway", "balancer", "internal/oip"), "github.com/valyala/fasthttp", "net/http"), why: "the cache stores answers, it does not know protocols"},
	{in: "internal", forbid: own("gateway", "balancer", "cache", "backend", "cmd"), why: "internal packages are below everything"},
	{in: "internal/oip", but: []string{"internal/oip/pb"}, forbid: append(own("internal", "gateway", "backend"), "encoding/json", "reflect", "github.com", "golang.org", "google.golang.org"), why: "the codec stands on the standard library and does not reflect"},
	// The generated messages reflect; they are for the servers' rare calls, and for tests.
	{in: "internal/oip/pb", forbid: own("internal", "gateway", "backend"), why: "the generated messages stand alone"},
	{in: "internal/rpcwire", forbid: append(own("internal/conf", "internal/hop", "internal/httpserver"), "github.com"), why: "it turns one kind of message into another, for whichever server"},
	{in: "internal/loadgen", forbid: append(own("internal/conf", "internal/hop", "internal/httpserver"), "github.com/prometheus"), why: "the load generator shares no code with what it measures, but for the protocol"},
	{in: "internal/cmdline", forbid: []string{module, "github.com"}, why: "it reads command lines, whatever the commands do"},
	{in: "internal/conf", forbid: []string{module}, why: "it stands below everything"},
	{in: "internal/hostport", forbid: []string{module}, why: "it stands below everything"},
	{in: "internal/discovery", forbid: append(own("internal/hop", "internal/httpserver", "internal/oip"), "net/http", "github.com", "google.golang.org"), why: "who the nodes are is found out without knowing what they speak"},
	{in: "internal/hop", forbid: []string{module, "github.com"}, why: "the hop carries bytes, whoever speaks through it"},
	{in: "internal/lifecycle", forbid: []string{module}, why: "it stands below everything"},
	{in: "internal/onnxfile", forbid: []string{module, "github.com", "google.golang.org"}, why: "model files are read without a protobuf library, and by anybody"},
	{in: "internal/pbtxt", forbid: append(own("internal/oip", "internal/hop", "internal/httpserver"), "github.com", "google.golang.org"), why: "the text format is read without a protobuf library; what its fields mean is its callers' business"},
	{in: "internal/stack", forbid: []string{module}, why: "a stack is started from programs, not from packages"},
	{in: "", but: []string{"backend/rpc", "gateway/rpc", "gateway", "internal/rpcwire", "internal/loadgen", "internal/oip/pb"}, forbid: []string{"google.golang.org/grpc"}, why: "gRPC stays with its servers, the edge's transport and the load generator"},
	{in: "", but: []string{"backend/rpc", "gateway/rpc", "gateway", "internal/rpcwire", "internal/loadgen", "internal/oip/pb"}, forbid: append(own("internal/oip/pb"), "google.golang.org/protobuf"), why: "all others speak internal/oip, which does not reflect"},
	{in: "", forbid: own("internal/testnode", "internal/testlog", "backend/onnx/onnxtest"), why: "it is for tests"},
	{in: "", but: []string{"e2e"}, forbid: own("internal/discovery/dnstest"), why: "it is for tests"},
	{in: "", but: []string{"cmd"}, forbid: own("internal/cmdline"), why: "command lines belong to the programs"},
	{in: "", but: []string{"cmd/demo", "bench", "e2e"}, forbid: own("internal/stack"), why: "it starts the built programs: for the demo, the benchmarks and the tests of the whole"},
	{in: "", but: []string{"bench", "e2e"}, forbid: own("bench"), why: "measuring is no part of what is measured"},
	{in: "bench/harness", forbid: own("gateway", "balancer", "cache", "backend", "cmd", "internal/loadgen"), why: "it knows nothing of what is measured"},
	{in: "", but: []string{"cmd/gateway", "bench", "e2e"}, forbid: own("internal/loadgen"), why: "load is made by tools"},
	{in: "", but: []string{"backend/onnx", "bench"}, forbid: []string{"github.com/yalue/onnxruntime_go"}, why: "only backend/onnx talks to ONNX Runtime"},
	{in: "", but: []string{"backend/gpu"}, forbid: []string{"github.com/NVIDIA/go-nvml"}, why: "only backend/gpu talks to the driver"},
	{in: "", but: []string{"internal/discovery", "e2e/faults"}, forbid: []string{"golang.org/x/net"}, why: "DNS is asked in one place"},
	{in: "", but: []string{"internal/conf"}, forbid: []string{"github.com/BurntSushi/toml"}, why: "configuration is read one way, through internal/conf"},
	{in: "", but: []string{"balancer"}, forbid: []string{"github.com/sony/gobreaker"}, why: "circuit breakers belong to the balancer's nodes"},
	{in: "", but: []string{"cache"}, forbid: []string{"github.com/dgraph-io/ristretto"}, why: "the cache hides its store"},
}

// TestRulesAreAboutWhatThereIs: a rule for a folder that has moved guards nothing.
func TestRulesAreAboutWhatThereIs(t *testing.T) {
	for _, r := range rules {
		for _, folder := range append([]string{r.in}, r.but...) {
			if info, err := os.Stat(filepath.Join(".", folder)); err != nil || !info.IsDir() {
				t.Errorf("a rule names %q, which is no folder; the rule: %s", folder, r.why)
			}
		}
	}
	for folder, path := range map[string]string{
		"backend/rpc": "ganglion/backend", "gateway/rpc": "ganglion/gateway", "gateway/admin": "ganglion/backend/rpc",
		"cmd/backend": "google.golang.org/grpc/codes", "backend": "ganglion/internal/oip/pb",
	} {
		if forbidden(folder, path) == "" {
			t.Errorf("%s may import %q", folder, path)
		}
	}
	for folder, path := range map[string]string{"backend/rpc": "ganglion/backend/scheduler", "cmd/backend": "ganglion/backend", "gateway": "ganglion/gateway/rpc"} {
		if why := forbidden(folder, path); why != "" {
			t.Errorf("%s may not import %q, for %s", folder, path, why)
		}
	}
}

func own(folders ...string) []string {
	paths := make([]string, len(folders))
	for i, f := range folders {
		paths[i] = module + "/" + f
	}
	return paths
}

// TestArrowsPointOneWay holds every non-test file against the rules above.
func TestArrowsPointOneWay(t *testing.T) {
	for folder, files := range packages(t) {
		for _, file := range files {
			for _, spec := range file.syntax.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if why := forbidden(folder, path); why != "" {
					t.Errorf("%s imports %q, but %s", file.name, path, why)
				}
			}
		}
	}
}

// TestPackagesExplainThemselves wants exactly one package comment in every package.
func TestPackagesExplainThemselves(t *testing.T) {
	for folder, files := range packages(t) {
		var documented []string
		for _, file := range files {
			if doc := file.syntax.Doc; doc != nil {
				documented = append(documented, file.name)
				if text := doc.Text(); len(strings.Fields(text)) < 8 {
					t.Errorf("%s: the package comment says too little: %q", file.name, text)
				}
			}
		}
		if len(documented) != 1 {
			t.Errorf("package in %q has %d package comments %v, want exactly one", folder, len(documented), documented)
		}
	}
}

func forbidden(folder, path string) (why string) {
	for _, r := range rules {
		if !within(folder, r.in) || slices.ContainsFunc(r.but, func(b string) bool { return within(folder, b) }) {
			continue
		}
		if slices.ContainsFunc(r.forbid, func(f string) bool { return within(path, f) || path+"$" == f }) {
			return r.why
		}
	}
	return ""
}

// within says whether path is folder or lies below it; everything lies below "".
func within(path, folder string) bool {
	return folder == "" || path == folder || strings.HasPrefix(path, folder+"/")
}

type source struct {
	name   string
	syntax *ast.File
}

// packages parses the non-test Go files of the tree, by folder.
func packages(t *testing.T) map[string][]source {
	t.Helper()
	found := map[string][]source{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "bin") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		found[folder] = append(found[folder], source{path, syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		wd, _ := os.Getwd()
		t.Fatalf("no Go package found below %s", wd)
	}
	return found
}
