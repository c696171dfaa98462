package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"ganglion/gateway"
)

// printExplanation prints for people: what was decided step by step, and a table of the candidates.
func printExplanation(w io.Writer, e *gateway.Explanation) error {
	facts := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fact := func(name, format string, args ...any) {
		fmt.Fprintf(facts, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	fact("model", "%s", e.Model)
	if e.Route != "" {
		fact("route", "%s", e.Route)
	}
	if v := e.Variant; v != nil {
		version := ""
		if v.Version != "" {
			version = ", version " + v.Version
		}
		fact("variant", "%s%s (%g %%): %s", v.Name, version, v.Percent, v.Why)
	}
	if c := e.Cache; c != nil {
		fact("cache", "%s", c.Use+after(": ", c.Why))
		if c.Key != "" {
			fact("", "key %s", c.Key)
		}
	}
	if p := e.Pool; p != nil {
		fact("pool", "%s, policy %s%s", p.Name, p.Policy, sticking(p))
		fact("", "state of %s", p.State)
		if p.Key != "" {
			fact("", "key 0x%s", p.Key)
		}
	}
	fact("outcome", "%s", e.Outcome)
	if err := facts.Flush(); err != nil {
		return err
	}
	if e.Pool != nil {
		fmt.Fprintln(w)
		if err := printCandidates(w, e.Pool); err != nil {
			return err
		}
	}
	if !e.Live {
		fmt.Fprintln(w, "\nThis is what the file tells. What nodes are like, what is cached and whose turn it is, only a running gateway knows.")
	}
	return nil
}

func sticking(p *gateway.ExplainedPool) string {
	switch {
	case p.Sticks:
		return ", but the sequence sticks to its node"
	case p.Trial:
		return ", but an open circuit is due for its trial"
	case p.Look:
		return ", but a node that is, or may be, an outlier is due for a look"
	case p.Sampled:
		return ", which looks at a random part of so many nodes: the next pick may go elsewhere"
	}
	return ""
}

// printCandidates prints a line for each node: who is picked, who is in, its score and what that is made of, why it is out.
func printCandidates(w io.Writer, p *gateway.ExplainedPool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tnode\tweight\tstanding\tscore\tmade of\twhy not")
	for i := range p.Candidates {
		c := &p.Candidates[i]
		mark := " "
		switch {
		case c.Picked:
			mark = "→"
		case !c.In:
			mark = "×"
		}
		score := ""
		if c.Score != nil {
			score = fmt.Sprintf("%.2f %s", *c.Score, c.Unit)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", mark, c.Address, c.Weight, c.Standing, score, strings.Join(c.Parts, ", "), strings.Join(c.Why, "; "))
	}
	return t.Flush()
}

// after is s behind the lead, "" without one.
func after(lead, s string) string {
	if s == "" {
		return ""
	}
	return lead + s
}
