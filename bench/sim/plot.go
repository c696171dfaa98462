package main

import (
	"bytes"
	"fmt"
	"math"
)

// The plot's measures, in pixels.
const (
	plotWidth  = 860
	plotLeft   = 150 // where the names of scenarios end and the axis begins
	plotRight  = 30
	plotTop    = 64
	rowHeight  = 20
	plotBottom = 34
)

// plotEnd is the right end of the axis. What is worse lies on it.
const plotEnd = 32.0

// colours are of policies in the order of policies, apart for the colour-blind too (Okabe and Ito).
var colours = []string{"#999999", "#cc79a7", "#e69f00", "#0072b2", "#009e73", "#d55e00"}

// plot draws p99 as a multiple of the ideal's as SVG: a row for each scenario, a dot for each policy, on a logarithmic axis.
func (r *report) plot() []byte {
	var names []string
	for i := range r.Results {
		if r.Results[i].Policy == ideal {
			names = append(names, r.Results[i].Scenario)
		}
	}
	bottom := plotTop + rowHeight*len(names)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, bottom+plotBottom)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	fmt.Fprintf(&b, `<text x="10" y="20" font-size="14">p99 as a multiple of that of one ideal central queue, %.0f %% load</text>`+"\n", 100*fullLoad)
	r.legend(&b)
	for x := 1.0; x <= plotEnd; x *= 2 {
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n",
			across(x), plotTop, bottom, across(x), bottom+16, x)
	}
	row := -1
	for i := range r.Results {
		x := &r.Results[i]
		if x.Policy == ideal {
			row++
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLeft-12, down(row)+4, x.Scenario)
			x.limit(&b, row)
			continue
		}
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%d" r="5" fill="%s" fill-opacity="0.8"><title>%s: %.2f</title></circle>`+"\n",
			across(x.Over99), down(row), colour(x.Policy), x.Policy, x.Over99)
	}
	fmt.Fprintf(&b, "</svg>\n")
	return b.Bytes()
}

// legend says which colour is whose.
func (r *report) legend(b *bytes.Buffer) {
	at := plotLeft
	for _, name := range r.policies {
		fmt.Fprintf(b, `<circle cx="%d" cy="44" r="5" fill="%s"/><text x="%d" y="48">%s</text>`+"\n", at, colour(name), at+9, name)
		at += 28 + 7*len(name)
	}
}

// limit marks the goal for the default policy in a row, if the scenario has one.
func (r *result) limit(b *bytes.Buffer, row int) {
	if goal := goalFor(r.Gateways); goal > 0 {
		fmt.Fprintf(b, `<path d="M%.1f %dv%d" stroke="#000" stroke-width="1.5"/>`+"\n", across(goal), down(row)-8, 16)
	}
}

// across is where a multiple lies on the axis.
func across(x float64) float64 {
	part := math.Log2(min(max(x, 0.9), plotEnd)) / math.Log2(plotEnd)
	return plotLeft + part*(plotWidth-plotLeft-plotRight)
}

// down is the middle of a row.
func down(row int) int { return plotTop + row*rowHeight + rowHeight/2 }

func colour(policy string) string {
	for i, name := range policies {
		if name == policy {
			return colours[i]
		}
	}
	return "#000"
}
