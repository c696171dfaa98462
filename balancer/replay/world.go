package replay

import (
	"fmt"
	"time"
)

// world is what a trace tells of one pool: who its nodes are, what they are like, and what was asked of them.
type world struct {
	pool     Pool
	began    []time.Duration // of each arrival
	work     []time.Duration // beyond waiting, on the node that it was on; 0 = not known
	of       []*Decision
	stations map[place]*station
	only     string                   // the only model with a name, "" if there are more or none
	typical  map[string]time.Duration // by model, the mean of its stations' medians
}

// place names a station.
type place struct{ node, model string }

// newWorld draws a world from the trace of the pool of that name; "" is the only one that there is.
func newWorld(t *Trace, name string) (*world, error) {
	pool, err := t.pool(name)
	if err != nil {
		return nil, err
	}
	w := &world{pool: pool, only: onlyModel(t, pool.Name), stations: map[place]*station{}, typical: map[string]time.Duration{}}
	known := map[string]bool{}
	for _, n := range pool.Nodes {
		known[n.Address] = true
	}
	visits := map[place][]visit{}
	for i := range t.Decisions {
		d := &t.Decisions[i]
		if d.Pool != pool.Name {
			continue
		}
		if !known[d.Node] { // it joined while the recording ran
			if len(known) == maxNodes {
				return nil, fmt.Errorf("pool %q has more than %d nodes", pool.Name, maxNodes)
			}
			known[d.Node] = true
			w.pool.Nodes = append(w.pool.Nodes, Node{Address: d.Node, Weight: 1})
		}
		w.take(d, visits)
	}
	if len(w.of) == 0 {
		return nil, fmt.Errorf("no decision of pool %q in it", pool.Name)
	}
	for at, st := range w.stations {
		st.learn(visits[at], w.work)
	}
	w.estimate()
	return w, nil
}

// take notes an arrival.
func (w *world) take(d *Decision, visits map[place][]visit) {
	at := place{d.Node, w.model(d)}
	st := w.stations[at]
	if st == nil {
		st = &station{node: at.node, model: at.model}
		w.stations[at] = st
	}
	st.reports = st.reports || d.Load != nil
	began := seconds(d.At)
	if d.End == "success" {
		visits[at] = append(visits[at], visit{decision: len(w.of), began: began, end: began + seconds(d.Took)})
	}
	w.of, w.began, w.work = append(w.of, d), append(w.began, began), append(w.work, 0)
}

// estimate finds what a request of each model takes, for nodes on which none was seen to succeed.
func (w *world) estimate() {
	sum, count := map[string]time.Duration{}, map[string]time.Duration{}
	for _, st := range w.stations {
		if st.median > 0 {
			sum[st.model] += st.median
			count[st.model]++
		}
	}
	for model, n := range count {
		w.typical[model] = sum[model] / n
	}
}

// takes is what the arrival would take on a node: what it took, times how much slower or quicker that node is.
func (w *world) takes(arrival int, st *station) time.Duration {
	d := w.of[arrival]
	here := st.median
	if here == 0 {
		here = w.typical[st.model]
	}
	was := w.stations[place{d.Node, w.model(d)}].median
	if w.work[arrival] == 0 || was == 0 {
		return max(1, here)
	}
	return max(1, time.Duration(min(float64(w.work[arrival])*float64(here)/float64(was), float64(maxSeconds*time.Second))))
}

// model is what the decision was for. A pool knows a model by name once it has answered; before that its decisions name none.
func (w *world) model(d *Decision) string {
	if d.Model == "" {
		return w.only
	}
	return d.Model
}

// onlyModel is the name of the only model that decisions of the pool name.
func onlyModel(t *Trace, pool string) string {
	only := ""
	for i := range t.Decisions {
		d := &t.Decisions[i]
		if d.Pool != pool || d.Model == "" || d.Model == only {
			continue
		}
		if only != "" {
			return ""
		}
		only = d.Model
	}
	return only
}

// at is the station of a model on a node, made up if the trace has none.
func (w *world) at(node, model string) *station {
	at := place{node, model}
	st := w.stations[at]
	if st == nil {
		st = &station{node: node, model: model, width: w.widest(model)}
		w.stations[at] = st
	}
	return st
}

// widest is the largest width of the model's stations.
func (w *world) widest(model string) int {
	most := 1
	for _, st := range w.stations {
		if st.model == model {
			most = max(most, st.width)
		}
	}
	return most
}

// pool finds the pool that is meant.
func (t *Trace) pool(name string) (Pool, error) {
	var names []string
	for _, p := range t.Header.Pools {
		if p.Name == name || name == "" && len(t.Header.Pools) == 1 {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if name == "" {
		return Pool{}, fmt.Errorf("the trace has several pools, and one is replayed at a time: name one of %q", names)
	}
	return Pool{}, fmt.Errorf("pool %q is not in the trace: accepted are %q", name, names)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
