package discovery

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ganglion/internal/hostport"
)

// Parse reads a file of addresses: "host:port [weight=N] [protocol=http|grpc]" on each line, and comments from # to the end of
// a line. The nodes come in the order of their addresses. The error names the file and the line of the first problem.
func Parse(file string, src []byte) ([]Node, error) {
	var nodes []Node
	lines := map[string]int{}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")) // what editors on Windows begin with
	number := 0
	for line := range bytes.Lines(src) {
		number++
		text, _, _ := strings.Cut(string(line), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		node, err := parseNode(words)
		if err != nil {
			return nil, failf(Malformed, "%s:%d: %v", file, number, err)
		}
		if first, twice := lines[node.Address]; twice {
			return nil, failf(Malformed, "%s:%d: node %q is listed twice: line %d has it already", file, number, node.Address, first)
		}
		lines[node.Address] = number
		if nodes = append(nodes, node); len(nodes) > maxNodes {
			return nil, failf(TooMany, "%s:%d: there are more than %d nodes", file, number, maxNodes)
		}
	}
	if len(nodes) == 0 {
		return nil, failf(Empty, "%s: has no address: accepted is \"host:port\" on each line", file)
	}
	return byAddress(nodes), nil
}

func parseNode(words []string) (Node, error) {
	address, err := hostport.Canonical(clip(words[0]))
	if err != nil {
		return Node{}, err
	}
	node := Node{Address: address, Weight: 1}
	var seen []string
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok || key != "weight" && key != "protocol" {
			return Node{}, fmt.Errorf("%q is not known: accepted after the address are weight=N and protocol=http or protocol=grpc", clip(word))
		}
		if slices.Contains(seen, key) {
			return Node{}, fmt.Errorf("%s is given twice", key)
		}
		seen = append(seen, key)
		if err := node.set(key, value); err != nil {
			return Node{}, err
		}
	}
	return node, nil
}

func (n *Node) set(key, value string) error {
	if key == "protocol" {
		if value != "http" && value != "grpc" {
			return fmt.Errorf("protocol %q is not known: accepted are http and grpc", clip(value))
		}
		n.Protocol = value
		return nil
	}
	weight, err := strconv.ParseUint(value, 10, 16)
	if err != nil || weight > maxWeight {
		return fmt.Errorf("weight %q is out of range: accepted are 0 to %d", clip(value), maxWeight)
	}
	n.Weight = int(weight)
	return nil
}

// clip keeps a message readable whatever the file holds. A name of a host and its port are shorter.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
