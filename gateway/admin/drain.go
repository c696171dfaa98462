package admin

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"ganglion/gateway"
)

// drain and undrain are POST /drain?node=HOST:PORT[&pool=NAME][&force=true] and /undrain: two verbs rather than one resource, so
// that repeating one changes nothing, and that a script reads like what it does.
func (s *Server) drain(on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		order, err := readOrder(r.URL.RawQuery)
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		order.On = on
		nodes, err := s.edge.Drain(order)
		switch {
		case errors.Is(err, gateway.ErrUnknownNode):
			refuse(w, http.StatusNotFound, err.Error())
		case errors.Is(err, gateway.ErrLastNode):
			refuse(w, http.StatusConflict, err.Error())
		case err != nil:
			refuse(w, http.StatusInternalServerError, err.Error())
		default:
			answer(w, http.StatusOK, map[string]any{"nodes": nodes})
		}
	}
}

// readOrder is strict: a key that is misspelt must not drain in more pools than was meant.
func readOrder(query string) (gateway.DrainOrder, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return gateway.DrainOrder{}, errors.New("the query cannot be read: " + err.Error())
	}
	for key, all := range values {
		if !slices.Contains([]string{"node", "pool", "force"}, key) || len(all) != 1 {
			return gateway.DrainOrder{}, errors.New("accepted are node, pool and force=true, once each: POST /drain?node=10.0.0.1:9000&pool=main")
		}
	}
	order := gateway.DrainOrder{Node: values.Get("node"), Pool: values.Get("pool"), Force: values.Get("force") == "true"}
	switch {
	case order.Node == "":
		return order, errors.New("node is missing: POST /drain?node=10.0.0.1:9000")
	case values.Has("pool") && order.Pool == "":
		return order, errors.New("pool is empty: leave it out for every pool that has the node")
	case values.Has("force") && !order.Force:
		return order, errors.New("force accepts true")
	}
	return order, nil
}

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

// guarded keeps web pages from giving orders through the browser of somebody who can reach this port. Browsers say where a
// request comes from in Origin or Sec-Fetch-Site, and other clients do not send these. A page whose name was made to lead here
// (DNS rebinding) is its own origin, so orders from browsers must name this host by its address.
func guarded(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		browser := r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
		if err := protection.Check(r); err != nil || !safe && browser && !isAddress(r.Host) {
			refuse(w, http.StatusForbidden, "a page of another site may not give orders here")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAddress reports whether the Host of a request is an IP address or localhost.
func isAddress(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if len(host) > 2 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost"
}
