package gateway

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

// Question is a request to be explained.
type Question struct {
	Model   string   `json:"model"`
	Version string   `json:"version,omitempty"` // that the client names in the path; "" = none
	Headers []string `json:"headers,omitempty"` // "Name: value"
	// Key takes the place of the value of the header that the pool's keys come from. After "0x" it is the key's hash, as
	// recordings have it.
	Key  string `json:"key,omitempty"`
	Body []byte `json:"body,omitempty"` // of the inference; without it keys are those of an empty one
}

// Explanation is what the gateway would do with a request now, and why.
type Explanation struct {
	Model string `json:"model"`
	// Live is false when it was made of the file alone: what nodes are like is not known then.
	Live  bool   `json:"live"`
	Route string `json:"route,omitempty"` // "" = none takes the model

	Variant *ExplainedVariant `json:"variant,omitempty"`
	Cache   *ExplainedCache   `json:"cache,omitempty"`
	Pool    *ExplainedPool    `json:"pool,omitempty"`

	// Picked is the node that the next attempt goes to, "" if there is none; Outcome is what that means for the client.
	Picked  string `json:"picked,omitempty"`
	Outcome string `json:"outcome"`
}

// ExplainedVariant is the variant that the request would go to.
type ExplainedVariant struct {
	Name    string  `json:"name"`
	Version string  `json:"version,omitempty"`
	Percent float64 `json:"percent"`
	Why     string  `json:"why"`
}

// ExplainedCache is what the cache would have to do with it.
type ExplainedCache struct {
	Use string `json:"use"` // off, bypass, miss, refresh or hit
	Why string `json:"why,omitempty"`
	Key string `json:"key,omitempty"` // hexadecimal
}

// ExplainedPool is what the pool would do.
type ExplainedPool struct {
	Name   string `json:"name"`
	Policy string `json:"policy"`
	// State is whose circuits and speeds count: the model's own, or those that all models share which the pool does not know.
	State   string `json:"state"`
	Key     string `json:"key,omitempty"` // hash of the requests that should meet
	Sticks  bool   `json:"sticks,omitempty"`
	Trial   bool   `json:"trial,omitempty"`   // the pick is the trial of an open circuit
	Look    bool   `json:"look,omitempty"`    // the pick finds out how a node is that is, or may be, an outlier
	Most    int    `json:"most,omitempty"`    // requests that the picked node may hold with this one, or decline it; 0 = any number
	Waiting int    `json:"waiting,omitempty"` // exchanges in the pool's queue, which go first
	Sampled bool   `json:"sampled,omitempty"` // the policy looks at a random part of the nodes; another pick may go elsewhere

	Candidates []ExplainedNode `json:"candidates"`
}

// ExplainedNode is one candidate.
type ExplainedNode struct {
	Address  string   `json:"address"`
	Weight   int      `json:"weight"`
	Standing string   `json:"standing"`
	In       bool     `json:"in"` // the policy chooses among nodes like it, and it may be chosen
	Picked   bool     `json:"picked,omitempty"`
	Score    *float64 `json:"score,omitempty"` // the lowest is picked; those who share it take turns
	Unit     string   `json:"unit,omitempty"`
	Parts    []string `json:"parts,omitempty"`
	Why      []string `json:"why,omitempty"` // what keeps it out or makes it a worse choice
}

// Explain says what the gateway would do with a request now. It goes the way of a request, and changes and counts nothing.
func (g *Gateway) Explain(q Question) (*Explanation, error) {
	x, err := g.pretend(q)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Model: q.Model, Live: g.serving.Load()}
	rt := x.table.find(q.Model)
	if rt == nil {
		e.Outcome = "404: no route takes this model"
		return e, nil
	}
	e.Route, x.route = rt.name, rt
	if err := x.explainPatience(); err != nil {
		e.Outcome = "400: " + err.Error()
		return e, nil
	}
	e.Variant = rt.explainChoice(x)
	e.Cache = x.explainCache()
	to, err := x.explainedAim(q.Key)
	if err != nil {
		return nil, err
	}
	e.explainPick(x, to)
	if e.Cache.Use == cacheHit.String() {
		e.Picked, e.Outcome = "", "answered from the cache, without a node"
	}
	return e, nil
}

// pretend makes an exchange of the question. It is never served.
func (g *Gateway) pretend(q Question) (*exchange, error) {
	if q.Model == "" {
		return nil, errors.New("no model is named")
	}
	path := "/v2/models/" + q.Model
	if q.Version != "" {
		path += "/versions/" + q.Version
	}
	call, ok := oip.ParsePath(path + "/infer")
	if !ok || call.Model != q.Model || call.Version != q.Version {
		return nil, badNames(q)
	}
	req := new(fasthttp.Request)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.Header.SetRequestURI(g.cfg.Server.PathPrefix + path + "/infer")
	for _, line := range q.Headers {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("header %q: accepted is \"Name: value\"", line)
		}
		req.Header.Add(name, strings.TrimSpace(value))
	}
	req.SetBodyRaw(q.Body)
	return &exchange{gateway: g, req: req, resp: new(fasthttp.Response), table: g.table.Load(), call: call, out: new(outbound)}, nil
}

// badNames says which of the names no path can have.
func badNames(q Question) error {
	if call, ok := oip.ParsePath("/v2/models/" + clip(q.Model) + "/infer"); !ok || call.Model != q.Model {
		return fmt.Errorf("model %q: no path has such a name; accepted are 1 to 64 of A-Z a-z 0-9 _ . -", clip(q.Model))
	}
	return fmt.Errorf("version %q: no path has such a version; accepted are whole numbers from 1 and aliases such as \"prod\"", clip(q.Version))
}

// clip keeps a message readable, whatever name it quotes.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// explainPatience is the error for which the request would be refused: it says how long it may take, and that is no time.
func (x *exchange) explainPatience() error {
	if len(x.req.Body()) == 0 { // as nobody was asked to look into one
		_, err := headerPatience(&x.req.Header)
		return err
	}
	_, err := x.patience()
	return err
}

// explainChoice chooses the variant as choose does, without counting.
func (rt *route) explainChoice(x *exchange) *ExplainedVariant {
	x.variant = rt.stable
	why := "the route has no canary"
	switch {
	case rt.choice == nil:
	case x.call.Version != "":
		why = "the client names a version"
	default:
		canary, forced := rt.choice.Forced(rt.forcing(x))
		if forced {
			why = fmt.Sprintf("forced by header %s", rt.choice.Header())
		} else {
			canary = rt.choice.Next()
			why = "by weight, as the next in turn; others get the other variant"
		}
		if canary {
			x.variant = rt.canary
		}
	}
	v := x.variant
	return &ExplainedVariant{Name: v.name, Version: v.versionFor(x.call), Percent: v.percent, Why: why}
}

// explainCache looks whether the answer is there, without counting.
func (x *exchange) explainCache() *ExplainedCache {
	store := x.gateway.cache.Load()
	_, look := x.considerCache()
	e := &ExplainedCache{Use: x.use.String()}
	switch {
	case x.route.ttl <= 0:
		e.Why = "the route is not cached"
		return e
	case x.use == cacheBypass && len(x.req.Body()) == 0 && useOf(&x.req.Header) != cacheBypass:
		e.Why = "no body is given, and the key is made of it"
		return e
	case x.use == cacheBypass:
		e.Why = "the request must not be answered from memory: see docs/operations.md, \"Answers from memory\""
		return e
	}
	e.Key = hex.EncodeToString(x.key[:])
	switch {
	case x.gateway.cfg.Cache.MaxBytes == 0:
		*e = ExplainedCache{Use: cacheOff.String(), Why: "the gateway has no cache"}
	case store == nil:
		e.Why = "whether it is there only a running gateway knows"
	case look && store.Holds(x.key):
		e.Use = cacheHit.String()
	}
	return e
}

// explainedAim is what the exchange wants of the choice of its node, with a key that was given.
func (x *exchange) explainedAim(key string) (aim, error) {
	if key == "" {
		return x.aim(), nil
	}
	digits, hashed := strings.CutPrefix(key, "0x")
	if !hashed {
		return aim{key: keyOf(nil, []byte(key))}, nil
	}
	hash, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return aim{}, fmt.Errorf("key %q: accepted after 0x are up to 16 hexadecimal digits", key)
	}
	return aim{key: hash}, nil
}

// explainPick says who would be picked.
func (e *Explanation) explainPick(x *exchange, to aim) {
	m := x.model()
	why := m.Explain(balancer.Ask{Key: to.key, Stick: to.stick}, nil)
	e.Pool = &ExplainedPool{
		Name: m.Pool().Name(), Policy: why.Policy, Sticks: why.Sticks, Trial: why.Trial, Look: why.Look, Most: why.Most, Waiting: why.Waiting, Sampled: why.Sampled,
		State: "model " + strconv.Quote(m.Name()),
	}
	if why.Common {
		e.Pool.State = "all models together that this pool does not know by name"
	}
	if to.key != 0 {
		e.Pool.Key = fmt.Sprintf("%016x", to.key)
	}
	for i := range why.Candidates {
		e.Pool.Candidates = append(e.Pool.Candidates, explainNode(&why.Candidates[i], why.Picked))
	}
	switch {
	case why.Picked != nil:
		e.Picked, e.Outcome = why.Picked.Address(), "sent to "+why.Picked.Address()
		switch {
		case why.Trial:
			e.Outcome += ", as the trial of its open circuit"
		case why.Look:
			e.Outcome += ", to find out how it is now: it is, or may be, an outlier"
		case why.Most > 0:
			e.Outcome += fmt.Sprintf(", if it holds no more than %d with this one; else it declines, and another choice follows", why.Most)
		}
	case why.Waiting > 0:
		e.Outcome = fmt.Sprintf("waits in the pool's queue, behind %d others", why.Waiting)
	case errors.Is(why.Err, balancer.ErrFull):
		e.Outcome = "waits in the pool's queue: every fit node is at its limit"
	default:
		e.Outcome = "503: " + why.Err.Error()
	}
}

func explainNode(c *balancer.Candidate, picked *balancer.Node) ExplainedNode {
	n := ExplainedNode{
		Address: c.Node.Address(), Weight: c.Node.Weight(), Standing: c.Standing, In: c.Chosen && !c.Passed, Picked: c.Node == picked, Why: c.Out,
	}
	if c.Score != nil {
		n.Score, n.Unit = &c.Score.Value, c.Score.Unit
		for _, part := range c.Score.Parts {
			n.Parts = append(n.Parts, strings.TrimSpace(part.Name+" "+part.Value))
		}
	}
	return n
}
