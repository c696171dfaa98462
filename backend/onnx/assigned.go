package onnx

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"cmp"
	"errors"
	"slices"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
)

// Assignment is how many operators of a kind a provider has taken of a model.
type Assignment struct {
	Provider string // as the runtime calls it: "CPUExecutionProvider"
	Domain   string // "" is the standard one
	Operator string
	Nodes    int
}

// Assigned loads a model on the engine's own device, asks which provider runs which of its operators, and closes it. The
// operators are those after the first rewriting of the graph: fewer than the file has where some could be left out. They are
// sorted by provider and name.
func (e *Engine) Assigned(path string, opt backend.ModelOptions) (found []Assignment, err error) {
	session, err := e.newSession(e.device, opt, func(options *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
		if err := options.AddSessionConfigEntry("session.record_ep_graph_assignment_info", "1"); err != nil {
			return nil, err
		}
		return ort.NewDynamicAdvancedSession(path, nil, nil, options)
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.free()) }()
	var nodes *C.gn_node
	var count C.size_t
	err = e.library.take(C.gn_assigned(e.library.ort, session.handle, &nodes, &count))
	defer C.free(unsafe.Pointer(nodes))
	if err != nil {
		return nil, err
	}
	counts := map[Assignment]int{}
	for _, node := range unsafe.Slice(nodes, count) {
		counts[Assignment{Provider: C.GoString(node.provider), Domain: C.GoString(node.domain), Operator: C.GoString(node.op)}]++
	}
	for a, n := range counts {
		a.Nodes = n
		found = append(found, a)
	}
	slices.SortFunc(found, func(a, b Assignment) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Operator, b.Operator))
	})
	return found, nil
}
