//go:build linux

package main

import (
	"context"
	"strings"
)

// reference is one system in the test that others are known from.
type reference struct {
	System string `json:"system"`
	Goals  []goal `json:"goals"`
}

type slowOf8 struct{ Goals []goal }

func names() []string {
	var all []string
	for _, f := range faults() {
		all = append(all, f.name)
	}
	return all
}

func (t *trial) references(context.Context) error { return nil }

func (r *report) referenceTables(*strings.Builder) {}
