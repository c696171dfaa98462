package admin

import (
	"context"
	"errors"
	"testing"

	"ganglion/gateway"
	"ganglion/internal/conf"
)

func TestReloadTellsWhatHasChangedOrIsWrong(t *testing.T) {
	var fails error
	get, _ := startWith(t, new(fakeEdge), func(context.Context) (gateway.Reloaded, error) {
		return gateway.Reloaded{Pools: gateway.Changes{Added: []string{"next"}}, Restart: []string{"server"}}, fails
	})
	f := func(method string, status int, want string) {
		t.Helper()
		if code, body := get(method, "/reload"); code != status || body != want {
			t.Errorf("%s: %d %s, want %d %s", method, code, body, status, want)
		}
	}
	f("POST", 200, `{"pools":{"added":["next"]},"routes":{},"restart":["server"]}`)
	fails = conf.Problems{{File: "g.toml", Line: 3, Path: "pools.x", Msg: "no"}, {File: "g.toml", Msg: "neither"}}
	f("POST", 422, `{"error":"the configuration has problems","problems":["g.toml:3: pools.x: no","g.toml: neither"]}`)
	fails = errors.New("no such file")
	f("POST", 422, `{"error":"no such file"}`)
	f("GET", 405, "Method Not Allowed")
}
