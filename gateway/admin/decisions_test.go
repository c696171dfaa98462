package admin

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	get := start(t, new(fakeEdge))
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/explain?model=m&header=A:1&header=B:2&key=k", 200, `"outcome":"A:1+B:2k"`},
		{"POST", `/explain {"model":"m","headers":["A:1"],"body":"e30="}`, 200, `"outcome":"A:1{}"`},
		{"GET", "/explain", 400, "no model is named"},
		{"GET", "/explain?model=m&heder=A:1", 400, `\"heder\" is not known: accepted are model, version, header, key`},
		{"POST", "/explain nonsense", 400, "no question"},
		{"POST", `/explain {"model":"` + strings.Repeat("x", maxQuestion) + `"}`, 400, "too large"},
		{"DELETE", "/explain", 405, ""},
	} {
		if status, body := get(c.method, c.path); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %.40s: %d %s, want %d %s", c.method, c.path, status, body, c.status, c.want)
		}
	}
}

func TestRecord(t *testing.T) {
	get := start(t, new(fakeEdge))
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/record?for=3s&pool=main", 200, "a line for 3s"},
		{"/record?for=3s", 400, "which pool"},
		{"/record?for=2h", 409, "one at a time"},
		{"/record", 400, "how long"},
		{"/record?for=3s&pol=main", 400, `\"pol\" is not known: accepted are for, pool`},
	} {
		if status, body := get("POST", c.path); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("POST %s: %d %s, want %d %s", c.path, status, body, c.status, c.want)
		}
	}
	if status, _ := get("GET", "/record?for=3s&pool=main"); status != 405 {
		t.Errorf("GET /record: %d, want 405: it is no page to be looked at", status)
	}
}
