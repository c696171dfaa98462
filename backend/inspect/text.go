package inspect

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// mostOperators is how many kinds of operators the text lists before it sums up the rest: a screen of them.
const mostOperators = 20

// longestValue is how much of a metadata entry the text shows.
const longestValue = 60

// WriteText writes the report for people. Text from the file is quoted where it could be something else to a terminal.
func (r *Report) WriteText(w io.Writer) error {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row("model", printable(r.Path))
	t.row("size", bytes(r.Bytes))
	t.row("made by", printable(strings.TrimSpace(r.Producer+" "+r.ProducerVersion)))
	t.row("graph", printable(r.Graph))
	t.row("format", fmt.Sprintf("IR %d, opsets %s", r.IRVersion, r.opsets()))
	for _, key := range slices.Sorted(maps.Keys(r.Metadata)) {
		t.row("metadata", printable(key)+" = "+shorten(printable(r.Metadata[key])))
	}
	t.section("inputs")
	for _, in := range r.Inputs {
		t.row(printable(in.Name), printable(in.Type))
	}
	t.section("outputs")
	for _, out := range r.Outputs {
		t.row(printable(out.Name), printable(out.Type))
	}
	if len(r.Dimensions) > 0 {
		t.section("named dimensions")
		for _, d := range r.Dimensions {
			t.row(printable(d.Name), printable(strings.Join(d.At, " ")))
		}
	}
	t.section("parameters: " + count(r.Parameters))
	for _, c := range r.Weights {
		t.row(c.Type, count(c.Elements), bytes(c.Bytes), plural(c.Tensors, "tensor"))
	}
	r.writeExternal(t)
	t.section(fmt.Sprintf("operators: %s of %s", plural(int64(nodes(r.Operators)), "node"), plural(int64(len(r.Operators)), "kind")))
	t.operators(r.Operators)
	r.writeEngine(t)
	return t.Flush()
}

func (r *Report) opsets() string {
	all := make([]string, len(r.Opsets))
	for i, o := range r.Opsets {
		all[i] = fmt.Sprintf("%s %d", printable(o.Domain), o.Version)
	}
	return strings.Join(all, ", ")
}

func (r *Report) writeExternal(t *table) {
	if len(r.External) == 0 {
		return
	}
	t.section("weights in other files")
	for _, e := range r.External {
		state := bytes(e.Bytes)
		if e.Problem != "" {
			state = "NOT USABLE: it " + e.Problem
		}
		t.row(printable(e.Location), state)
	}
}

func (r *Report) writeEngine(t *table) {
	e := r.Engine
	if e == nil {
		return
	}
	t.section(fmt.Sprintf("providers, as %s %s on %s has it", e.Name, e.Version, e.Device))
	if e.Problem != "" {
		t.row("DOES NOT LOAD", printable(e.Problem))
		return
	}
	total := 0
	for _, c := range e.Coverage {
		total += c.Nodes
	}
	for _, c := range e.Coverage {
		t.row(c.Provider, plural(int64(c.Nodes), "node"), fmt.Sprintf("%.0f %%", 100*float64(c.Nodes)/float64(total)))
		if len(e.Coverage) > 1 {
			t.operators(c.Operators)
		}
	}
}

// table writes rows whose cells stand below each other.
type table struct{ *tabwriter.Writer }

func (t *table) row(cells ...string) { fmt.Fprintln(t.Writer, "  "+strings.Join(cells, "\t")) }

func (t *table) section(title string) { fmt.Fprintf(t.Writer, "\n%s\n", title) }

func (t *table) operators(ops []Operator) {
	for i, op := range ops {
		if i == mostOperators {
			t.row(fmt.Sprintf("and %s", plural(int64(len(ops)-i), "more kind")), strconv.Itoa(nodes(ops[i:])))
			return
		}
		name := printable(op.Name)
		if op.Domain != standardDomain {
			name = printable(op.Domain) + "." + name
		}
		t.row(name, strconv.Itoa(op.Count))
	}
}

func nodes(ops []Operator) (sum int) {
	for _, op := range ops {
		sum += op.Count
	}
	return sum
}

// printable is s, quoted if it holds anything that is not to be printed.
func printable(s string) string {
	if quoted := strconv.Quote(s); quoted != `"`+s+`"` {
		return quoted
	}
	return s
}

func shorten(s string) string {
	if r := []rune(s); len(r) > longestValue {
		return string(r[:longestValue]) + "…"
	}
	return s
}

func plural(n int64, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return count(n) + " " + of + "s"
}

// count writes a number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytes writes a size in the unit that suits it.
func bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return plural(n, "byte")
	}
	value, units := float64(n), []string{"KiB", "MiB", "GiB", "TiB"}
	for i, name := range units {
		if value /= unit; value < unit || i == len(units)-1 {
			return fmt.Sprintf("%.1f %s", value, name)
		}
	}
	return ""
}
