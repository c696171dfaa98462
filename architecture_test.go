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
	forbid []string // import paths; each also covers what lies below it
	why    string
}

// rules are the arrows of the design: each names what it protects.
var rules = []rule{
	{in: "gateway", forbid: own("backend"), why: "gateway and node meet on the wire, so that the gateway builds without cgo"},
	{in: "cmd/gateway", forbid: own("backend"), why: "the gateway binary carries nothing of the node"},
	{in: "backend", forbid: own("gateway", "balancer", "cache"), why: "a node knows nothing of the edge"},
	{in: "cmd/backend", forbid: own("gateway", "balancer", "cache"), why: "the node binary carries nothing of the edge"},
	{in: "backend", but: []string{"backend/onnx"}, forbid: own("backend/onnx"), why: "the node sees engines through its Engine interface; cmd/backend wires the one it has"},
	{in: "balancer", forbid: append(own("gateway", "cache", "internal/oip", "internal/httpserver"), "github.com/valyala/fasthttp", "net/http"), why: "the balancer picks; probing and forwarding are handed to it"},
	{in: "cache", forbid: append(own("gateway", "balancer", "internal/oip"), "github.com/valyala/fasthttp", "net/http"), why: "the cache stores answers, it does not know protocols"},
	{in: "internal", forbid: own("gateway", "balancer", "cache", "backend", "cmd"), why: "internal packages are below everything"},
	{in: "internal/oip", but: []string{"internal/oip/pb"}, forbid: append(own("internal", "gateway", "backend"), "encoding/json", "reflect", "github.com", "golang.org", "google.golang.org"), why: "the codec stands on the standard library and does not reflect"},
	// The generated messages reflect; they are for the servers' rare calls, and for tests.
	{in: "internal/oip/pb", forbid: own("internal", "gateway", "backend"), why: "the generated messages stand alone"},
	{in: "", but: []string{"backend/onnx", "bench"}, forbid: []string{"github.com/yalue/onnxruntime_go"}, why: "only backend/onnx talks to ONNX Runtime"},
	{in: "", but: []string{"backend/gpu"}, forbid: []string{"github.com/NVIDIA/go-nvml"}, why: "only backend/gpu talks to the driver"},
	{in: "", but: []string{"internal/conf"}, forbid: []string{"github.com/BurntSushi/toml"}, why: "configuration is read one way, through internal/conf"},
	{in: "", but: []string{"balancer"}, forbid: []string{"github.com/sony/gobreaker"}, why: "circuit breakers belong to the balancer's nodes"},
	{in: "", but: []string{"cache"}, forbid: []string{"github.com/dgraph-io/ristretto"}, why: "the cache hides its store"},
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
		if slices.ContainsFunc(r.forbid, func(f string) bool { return within(path, f) }) {
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
