package gateway

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// answerStatistics answers GET …/stats: the sum over all nodes that serve clients, the shadow's left out.
func (x *exchange) answerStatistics() {
	pools := x.table.poolsOfRoutes(false)
	target := "/v2/models/stats"
	if x.call.Kind == oip.CallModelStatistics {
		rt := x.table.find(x.call.Model)
		if rt == nil {
			x.fail(failNoRoute(x.call.Model))
			return
		}
		x.route, x.variant = rt, rt.stable
		pools = rt.pools(false)
		target = string(appendTarget(nil, x.call, "", nil))
	}
	began := time.Now()
	replies := x.askAll(reachable(pools), &inquiry{method: fasthttp.MethodGet, target: target, timeout: spanTimeout})
	versions := map[modelVersion]bool{} // that a node has spoken of now
	answered := 0
	for i := range replies {
		r := &replies[i]
		if !r.good() {
			continue
		}
		stats, err := oip.ParseStatistics(r.body)
		if err != nil {
			x.cause = fmt.Errorf("node %s: %w", r.node.address, err)
			r.status, r.err = 0, err
			continue
		}
		answered++
		for j := range stats {
			versions[modelVersion{stats[j].Name, stats[j].Version}] = true
		}
		stats = slices.DeleteFunc(stats, func(s oip.ModelStatistics) bool { return x.table.find(s.Name) == nil })
		x.gateway.ledger.note(r.node.address, stats, began)
	}
	if answered == 0 {
		x.fail(failSpan(replies, longestRetryAfter(pools)))
		return
	}
	sums := x.gateway.ledger.sums(began, func(which modelVersion) bool { return x.counts(which, versions) })
	x.answerJSON(text(oip.AppendStatistics(nil, sums)))
}

// counts reports whether the call asks for a version's statistics. A call that names a version, perhaps by an alias that
// only nodes know, gets what the nodes answered to it; any other also gets versions that are gone by now.
func (x *exchange) counts(which modelVersion, answered map[modelVersion]bool) bool {
	switch {
	case x.call.Version != "":
		return answered[which]
	case x.call.Model != "":
		return which.name == x.call.Model
	default:
		return x.table.find(which.name) != nil
	}
}

// mostAccounted is how many model versions are counted: far more than fleets have, and a few megabytes for each node.
const mostAccounted = 10_000

// mostAccounts is how many nodes a model version is counted for one by one: more than a source may list at once. With nodes that
// come and go for months, each with an address of its own, there are more over time.
const mostAccounts = 16_384

// departed is the address of the account that has what forgotten ones had. No node has it.
const departed = ""

// ledger remembers what nodes have counted, so that sums over them never fall: not when a node is restarted and begins at
// zero, nor when it leaves. It learns what nodes say when somebody asks, and thus misses what a node counted between the
// last question and its end.
//
// It holds an entry for each node and each version of a routed model it has ever heard of, but of no more than mostAccounted
// versions: a node that makes some up must not fill the memory. Nodes beyond mostAccounts are counted together, the one that
// has not spoken for the longest first; if it spoke again, it would be counted twice.
type ledger struct {
	mu      sync.Mutex
	entries map[modelVersion]map[string]*account // by address
}

// account is what one node has counted for one model version.
type account struct {
	closed oip.ModelStatistics // of its earlier lives
	now    oip.ModelStatistics // of this one, as it last said
	at     time.Time           // when it said so
}

// note takes in what a node answered to a question put at asked. Answers may come in another order than they were given:
// one that was asked for before the last one came may be older, and then it being lower means nothing.
func (l *ledger) note(address string, stats []oip.ModelStatistics, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = map[modelVersion]map[string]*account{}
	}
	for i := range stats {
		s := &stats[i]
		which := modelVersion{s.Name, s.Version}
		if l.entries[which] == nil {
			if len(l.entries) >= mostAccounted {
				continue
			}
			l.entries[which] = map[string]*account{}
		}
		a := accountOf(l.entries[which], address)
		if s.StartedOver(&a.now) {
			if asked.Before(a.at) {
				continue
			}
			a.closed.Add(&a.now)
			a.closed.Memory = nil
		}
		a.now, a.at = *s, time.Now()
	}
}

// accountOf is a node's account, opened if need be.
func accountOf(accounts map[string]*account, address string) *account {
	if a := accounts[address]; a != nil {
		return a
	}
	if len(accounts) >= mostAccounts {
		closeOldest(accounts)
	}
	a := new(account)
	accounts[address] = a
	return a
}

// closeOldest adds the account that was silent for the longest to that of the departed.
func closeOldest(accounts map[string]*account) {
	oldest := departed
	for address, a := range accounts {
		if address != departed && (oldest == departed || a.at.Before(accounts[oldest].at)) {
			oldest = address
		}
	}
	gone := accounts[departed]
	if gone == nil {
		gone = new(account)
		accounts[departed] = gone
	}
	a := accounts[oldest]
	a.now.Memory = nil
	gone.closed.Add(&a.closed)
	gone.closed.Add(&a.now)
	delete(accounts, oldest)
}

// sums adds up over nodes what the ledger has of the versions that are wanted, by name and version. Memory is no counter:
// only what nodes have said since then counts.
func (l *ledger) sums(since time.Time, wanted func(modelVersion) bool) []oip.ModelStatistics {
	l.mu.Lock()
	defer l.mu.Unlock()
	sums := make([]oip.ModelStatistics, 0, len(l.entries))
	for which, accounts := range l.entries {
		if !wanted(which) {
			continue
		}
		sum := oip.ModelStatistics{Name: which.name, Version: which.version}
		for _, a := range accounts {
			sum.Add(&a.closed)
			now := a.now
			if a.at.Before(since) {
				now.Memory = nil
			}
			sum.Add(&now)
		}
		slices.SortFunc(sum.Batches, func(a, b oip.BatchStatistics) int { return int(a.BatchSize) - int(b.BatchSize) })
		sums = append(sums, sum)
	}
	slices.SortFunc(sums, func(a, b oip.ModelStatistics) int {
		if by := strings.Compare(a.Name, b.Name); by != 0 {
			return by
		}
		return compareVersions(a.Version, b.Version)
	})
	return sums
}
