package check

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteText writes the report for people. Text that comes from files is quoted where a terminal could obey it.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range r.Models {
		r.Models[i].write(t)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(t, "NOT READY: %s\n", printable(p))
	}
	if r.Memory != nil {
		limit := "a limit that the system does not tell"
		if r.Memory.LimitBytes > 0 {
			limit = fmt.Sprintf("%d MiB (%.1f %%)", r.Memory.LimitBytes>>20, 100*float64(r.Memory.PeakBytes)/float64(r.Memory.LimitBytes))
		}
		fmt.Fprintf(t, "memory: at most %d MiB of %s\n", r.Memory.PeakBytes>>20, limit)
	}
	ready := 0
	for i := range r.Models {
		if r.Models[i].Ready {
			ready++
		}
	}
	verdict := "NOT READY"
	if r.Ready {
		verdict = "READY"
	}
	fmt.Fprintf(t, "%s: %d of %d model versions are ready\n", verdict, ready, len(r.Models))
	return t.Flush()
}

func (m *Model) write(t *tabwriter.Writer) {
	verdict := "ready"
	if !m.Ready {
		verdict = "NOT READY"
	}
	name := m.Name
	if m.Version != "" { // there is none where the whole model is at fault
		name += " version " + m.Version
	}
	fmt.Fprintf(t, "%s: %s\n", name, verdict)
	for _, p := range m.Problems {
		fmt.Fprintf(t, "  ✗ %s\n", printable(p))
	}
	passed := 0
	for i := range m.Tests {
		if m.Tests[i].Pass {
			passed++
		}
	}
	if len(m.Tests) > 0 {
		fmt.Fprintf(t, "  %d of %d tests as expected\n", passed, len(m.Tests))
	}
	for _, n := range m.Notes {
		fmt.Fprintf(t, "  note: %s\n", printable(n))
	}
	m.writeSweep(t)
	if r := m.Recommended; r != nil {
		fmt.Fprintf(t, "  recommended for this machine\n")
		fmt.Fprintf(t, "    max_batch_size = %d\t%s\n", r.MaxBatchSize, r.Reasons.MaxBatchSize)
		fmt.Fprintf(t, "    instances.count = %d\t%s\n", r.Instances, r.Reasons.Instances)
		fmt.Fprintf(t, "    max_queue_delay = %q\t%s\n", r.MaxQueueDelay, r.Reasons.MaxQueueDelay)
	}
	fmt.Fprintln(t)
}

func (m *Model) writeSweep(t *tabwriter.Writer) {
	if len(m.Sweep) == 0 {
		return
	}
	fmt.Fprintf(t, "  rows\tclients\trows/s\tp50\tp95\tp99\n")
	for i := range m.Sweep {
		c := &m.Sweep[i]
		mark := ""
		if c.OverBudget {
			mark = "\tover budget"
		}
		fmt.Fprintf(t, "  %d\t%d\t%s\t%s\t%s\t%s%s\n", c.Rows, c.Clients, rate(c), shown(c.P50Ms), shown(c.P95Ms), shown(c.P99Ms), mark)
	}
}

// printable keeps lines lines, and escapes away from terminals.
func printable(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		quoted := strconv.Quote(line)
		inner := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
		lines[i] = inner
	}
	return strings.Join(lines, "\n    ")
}
