package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"ganglion/gateway"
	"ganglion/internal/cmdline"
	"ganglion/internal/conf"
)

const statusUsage = `gateway status prints what a running gateway knows of its pools, nodes and routes.

usage: gateway status [flags]

  --pool NAME         this pool only
  --json              for scripts: as GET /status of the admin port has it
  --admin HOST:PORT   the gateway's admin port (default: server.admin of the file)
  --config FILE       the gateway's configuration (default gateway.toml)

The exit code is 0 whatever the state is, and 1 if there is no answer.
`

// status is `gateway status`.
func status(ctx context.Context, args []string, stdout io.Writer) error {
	var at adminFlags
	line := newCommand("status", statusUsage)
	at.register(line)
	pool := line.String("pool", "", "")
	asJSON := line.Bool("json", false, "")
	if err := line.ReadFlags(args, stdout); err != nil {
		return cmdline.UnlessHelp(err)
	}
	o, err := at.operator()
	if err != nil {
		return err
	}
	defer o.close()
	var st gateway.Status
	if err := o.ask(ctx, http.MethodGet, "/status", nil, &st); err != nil {
		return err
	}
	if err := only(&st, *pool); err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, st)
	}
	printStatus(stdout, &st)
	return nil
}

// only leaves one pool in a status, and the routes that use it; "" leaves all.
func only(st *gateway.Status, pool string) error {
	if pool == "" {
		return nil
	}
	names := make([]string, len(st.Pools))
	for i, p := range st.Pools {
		names[i] = p.Name
	}
	if !slices.Contains(names, pool) {
		text := fmt.Sprintf("no pool is named %q", pool)
		if meant := conf.Suggest(pool, names); meant != "" {
			return fmt.Errorf("%s; did you mean %q?", text, meant)
		}
		return fmt.Errorf("%s; there are %s", text, strings.Join(names, ", "))
	}
	st.Pools = slices.DeleteFunc(st.Pools, func(p gateway.PoolStatus) bool { return p.Name != pool })
	st.Routes = slices.DeleteFunc(st.Routes, func(r gateway.RouteStatus) bool {
		return !slices.ContainsFunc(r.Variants, func(v gateway.VariantStatus) bool { return v.Pool == pool })
	})
	return nil
}

// printStatus is the state for people: what is wrong catches the eye, since everything else is the same in each line.
func printStatus(w io.Writer, st *gateway.Status) {
	state := "ready"
	if !st.Ready {
		state = "NOT READY: " + st.Reason
	}
	fmt.Fprintf(w, "gateway %s, up %s, %d in flight, %s\n", st.Version, round(st.Uptime), st.InFlight, state)
	if st.Config.Error != "" {
		fmt.Fprintf(w, "the last reload was refused, the configuration is that of %s: %s\n", st.Config.Loaded.Format(time.DateTime), st.Config.Error)
	}
	for _, p := range st.Pools {
		fmt.Fprintf(w, "\npool %s%s\n", p.Name, when(!p.Ready, ": no node is up"))
		printNodes(w, p.Nodes)
		if text := queue(&p); text != "" {
			fmt.Fprintln(w, "  queue: "+text)
		}
		for _, s := range p.Discovery {
			fmt.Fprintln(w, "  from "+source(s))
		}
	}
	fmt.Fprintln(w)
	t := table(w)
	fmt.Fprintln(t, "route\ttimeout\tcache\tvariants")
	for _, r := range st.Routes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Name, brief(r.Timeout), or(brief(r.CacheTTL), "-"), variants(r.Variants))
	}
	flush(t)
}

func printNodes(w io.Writer, nodes []gateway.NodeStatus) {
	t := table(w)
	fmt.Fprintln(t, "  node\tstate\tcircuit\tin flight\tload\tweight\tdrains\tattempts\tfailed\tover\tnotes")
	for _, n := range nodes {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\n", n.Address, n.State, n.Circuit, inFlight(&n), nodeLoad(n.Load), n.Weight,
			or(n.Draining, "-"), n.Attempts, n.Failures+n.Faults, n.Transport, notes(n))
	}
	flush(t)
}

// inFlight is what a node has from the gateway, and of how many that it may have.
func inFlight(n *gateway.NodeStatus) string {
	if n.Limit == 0 {
		return strconv.FormatInt(n.InFlight, 10)
	}
	return fmt.Sprintf("%d of %d", n.InFlight, n.Limit)
}

// nodeLoad is what a node said of itself last: requests at work and queued, and the wait.
func nodeLoad(l *gateway.LoadStatus) string {
	if l == nil {
		return "-"
	}
	text := fmt.Sprintf("%d+%d", l.InFlight, l.Queued)
	if l.Wait > 0 {
		text += " " + round(l.Wait)
	}
	return text
}

// notes are what is wrong with a node or with a model on it.
func notes(n gateway.NodeStatus) string {
	var all []string
	if n.Cause != "" {
		all = append(all, n.Cause)
	}
	if n.Suspect {
		all = append(all, "no sign of life")
	}
	for _, m := range n.Models {
		switch {
		case m.Missing:
			all = append(all, m.Model+" missing")
		case m.Circuit != "closed":
			all = append(all, m.Model+" circuit "+m.Circuit)
		case m.Ejected != "":
			all = append(all, m.Model+" ejected: "+m.Ejected)
		case m.Rest > 0:
			all = append(all, m.Model+" rests "+round(m.Rest))
		}
	}
	return strings.Join(all, "; ")
}

// queue is how those fare who wait for room at the nodes; "" = nobody has ever had to, and nobody has been refused.
func queue(p *gateway.PoolStatus) string {
	q := &p.Queue
	if q.Waiting == 0 && q.Waited == 0 && len(q.Refused) == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of at most %d wait", q.Waiting, q.Max)
	if q.Max == 0 {
		text = "nobody may wait" // as the file has it
	}
	if q.Waiting > 0 {
		text += " (" + tally("priority ", q.ByPriority) + "), the longest for " + round(q.Longest)
		if q.Expected > 0 {
			text += "; one that came now would for " + round(q.Expected)
		}
	}
	text += fmt.Sprintf("; %d have had to wait", q.Waited)
	if len(q.Refused) > 0 {
		text += ", refused: " + tally("", q.Refused)
	}
	return text
}

// tally is how many there are of each, in order.
func tally[K cmp.Ordered, N int | uint64](name string, of map[K]N) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s%v: %d", name, k, of[k]))
	}
	return strings.Join(parts, ", ")
}

func source(s gateway.SourceStatus) string {
	text := fmt.Sprintf("%s: %s", s.Source, count(s.Nodes, "node"))
	if s.Age != nil {
		looked := "looked at "
		if s.Error != "" && !s.Partial {
			looked = "learned " // it has been looked at since, in vain
		}
		text += ", " + looked + round(*s.Age) + " ago"
	}
	if s.Error != "" {
		text += "; " + when(s.Partial, "in part only: ") + s.Error + "; looks again in " + round(s.Next)
	}
	return text
}

func variants(all []gateway.VariantStatus) string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = v.Name + " " + v.Pool + when(v.Version != "", " version "+v.Version) + when(len(all) > 1, fmt.Sprintf(" %g %%", v.Percent))
	}
	return strings.Join(texts, ", ")
}

// round is a time in seconds as people say it.
func round(seconds float64) string {
	return brief(short(time.Duration(seconds * float64(time.Second))))
}

// brief leaves out what is zero: "10m", not "10m0s".
func brief(d string) string {
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(d, zero) {
			d = d[:len(d)-2]
		}
	}
	return d
}

func when(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// flush writes a table out. Nothing useful can be done when a terminal does not take it.
func flush(t *tabwriter.Writer) { _ = t.Flush() }
