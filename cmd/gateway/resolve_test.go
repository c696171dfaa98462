package main

import (
	"fmt"
	"strings"
	"testing"

	"ganglion/internal/discovery/dnstest"
)

// Names that do not resolve are warned of, if one asks for it; they are no reason to refuse the file.
func TestValidateResolves(t *testing.T) {
	s, err := dnstest.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Set("good.test.", 1, "A 10.0.0.1")
	config := func(name string) string {
		return write(t, fmt.Sprintf("[pools.main.discover]\ndns = %q\nservers = [%q]\n[routes.\"*\"]\npool = \"main\"\n", name, s.Address()))
	}
	stdout, stderr, err := call(t, "validate", "--config", config("bad.test:9000"))
	if err != nil || stderr != "" || !strings.Contains(stdout, "1 route to 1 pool of 0 nodes and those of 1 source") || s.Asked() > 0 {
		t.Errorf("without --resolve: %q, %q, %v, and %d questions", stdout, stderr, err, s.Asked())
	}
	_, stderr, err = call(t, "validate", "--resolve", "--config", config("bad.test:9000"))
	if err != nil || !strings.Contains(stderr, `pools.main.discover: dns bad.test:9000: "bad.test." does not exist (NXDOMAIN); until it has a list, it brings the pool no node`) {
		t.Errorf("a name that is not there: %q, %v", stderr, err)
	}
	if _, stderr, err = call(t, "validate", "--resolve", "--config", config("good.test:9000")); err != nil || stderr != "" {
		t.Errorf("a name that is there: %q, %v", stderr, err)
	}
}

// Nodes that the file names are looked up too: a name with a typing error is the commonest of them.
func TestValidateResolvesNodes(t *testing.T) {
	file := write(t, "[pools.main]\nnodes = [{ address = \"127.0.0.1:9\" }, { address = \"localhost:9\" }, { address = \"nowhere.invalid:9\" }]\n[routes.\"*\"]\npool = \"main\"\n")
	if _, stderr, err := call(t, "validate", "--config", file); err != nil || stderr != "" {
		t.Errorf("without --resolve: %q, %v", stderr, err)
	}
	_, stderr, err := call(t, "validate", "--resolve", "--config", file)
	if err != nil || strings.Count(stderr, "warning") != 1 || !strings.Contains(stderr, `pools.main.nodes[2].address: "nowhere.invalid" has no address (`) {
		t.Errorf("with it: %q, %v", stderr, err)
	}
}
