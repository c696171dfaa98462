package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ganglion/gateway"
)

// Drain implements Edge: it takes what its reason lets it.
func (e *fakeEdge) Drain(order gateway.DrainOrder) ([]gateway.DrainedNode, error) {
	e.orders.Add(1)
	switch order.Node {
	case "last:1":
		return nil, fmt.Errorf("it is the last: %w", gateway.ErrLastNode)
	case "broken:1":
		return nil, errors.New("broken")
	case "a:1":
		return []gateway.DrainedNode{{Pool: order.Pool, Node: order.Node, State: "up", Drained: order.On, InFlight: 3, Alone: order.Force}}, nil
	}
	return nil, fmt.Errorf("no pool has a node %q: %w", order.Node, gateway.ErrUnknownNode)
}

func TestOrdersToDrain(t *testing.T) {
	get := start(t, new(fakeEdge))
	f := func(method, path string, status int, want string) {
		t.Helper()
		if code, body := get(method, path); code != status || !strings.Contains(body, want) {
			t.Errorf("%s %s: %d %s, want %d with %s", method, path, code, body, status, want)
		}
	}
	f("POST", "/drain?node=a:1&pool=main", 200, `{"nodes":[{"pool":"main","node":"a:1","state":"up","drained":true,"in_flight":3}]}`)
	f("POST", "/drain?node=a:1&force=true", 200, `"alone":true`)
	f("POST", "/undrain?node=a:1&pool=main", 200, `"drained":false`)
	f("POST", "/drain?node=b:1", 404, `{"error":"no pool has a node \"b:1\"`)
	f("POST", "/drain?node=last:1", 409, `{"error":"it is the last`)
	f("POST", "/drain?node=broken:1", 500, `{"error":"broken"}`)
	f("POST", "/drain", 400, "node is missing")
	f("POST", "/drain?nod=a:1", 400, "accepted are node, pool and force=true")
	f("POST", "/drain?node=a:1&node=b:1", 400, "once each")
	f("POST", "/drain?node=a:1&pool=", 400, "pool is empty")
	f("POST", "/drain?node=a:1&force=yes", 400, "force accepts true")
	f("POST", "/drain?node=%zz", 400, "cannot be read")
	f("GET", "/drain?node=a:1", 405, "")
}

// A page in the browser of an operator cannot drain anything.
func TestPagesOfOtherSitesGiveNoOrders(t *testing.T) {
	edge := new(fakeEdge)
	_, address := startAt(t, edge)
	f := func(status int, host string, headers ...string) {
		t.Helper()
		before := edge.orders.Load()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/drain?node=a:1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Set(name, value)
		}
		transport := &http.Transport{DisableKeepAlives: true}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if taken := edge.orders.Load() - before; resp.StatusCode != status || (taken == 1) != (status == 200) {
			t.Errorf("host %q, headers %q: %d and %d orders, want %d", host, headers, resp.StatusCode, taken, status)
		}
	}
	f(200, "")
	f(200, "gateway.internal:8082") // curl by name
	f(403, "", "Origin: http://evil.test")
	f(403, "", "Sec-Fetch-Site: cross-site")
	f(403, "", "Sec-Fetch-Site: same-site")
	f(403, "", "Origin: null")
	f(200, "", "Origin: http://"+address, "Sec-Fetch-Site: same-origin")
	f(200, "localhost:8082", "Origin: http://localhost:8082", "Sec-Fetch-Site: same-origin")
	f(200, "[::1]:8082", "Origin: http://[::1]:8082")
	// A name that leads here makes its page's origin the same.
	f(403, "evil.test:8082", "Origin: http://evil.test:8082", "Sec-Fetch-Site: same-origin")
	f(403, "evil.test:8082", "Origin: http://evil.test:8082")
}
