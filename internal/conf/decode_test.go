package conf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// good decodes src and fails the test if anything is wrong with it.
func good(t *testing.T, src string) edge {
	t.Helper()
	var e edge
	warnings, err := Decode("f.toml", []byte(src), &e)
	if err != nil || warnings != nil {
		t.Fatalf("Decode(%s)\n got problems: %v\n warnings: %v", src, err, warnings)
	}
	return e
}

func TestEveryShapeBinds(t *testing.T) {
	got := good(t, `
[server]
http = ":8080"
max_body = "256MiB"   # a key of the embedded struct
timeout = "1m30s"

[pools.main]
nodes = [
  { address = "a:1", weight = 5 },  # comment with ] and }
  { address = "b:1" },
]
retry = { budget = 1 }
[pools.main.health]

[[pools."next.gen".nodes]]
address = "c:1"
[[pools."next.gen".nodes]]
address = "d:1"
weight = 7

[routes]
"*".pool = "main"

[limits]
byte = 255
short = -32768
count = 9_000_000_000
ratio = 0.5
sizes = [0, "1KiB"]
names = []
grid = [[1], [], [2, 3]]
`)
	want := edge{
		Server: server{common: common{256 * MiB, 90 * time.Second}, HTTP: ":8080"},
		Pools: map[string]pool{
			"main": {
				Policy: "least_connections", Nodes: []node{{"a:1", 5}, {"b:1", 1}},
				Retry: retry{3, 1}, Health: &health{time.Second},
			},
			"next.gen": {
				Policy: "least_connections", Nodes: []node{{"c:1", 1}, {"d:1", 7}}, Retry: retry{3, 0.2},
			},
		},
		Routes: map[string]route{"*": {Pool: "main"}},
		Limits: limits{
			Byte: 255, Short: -32768, Count: 9e9, Ratio: 0.5,
			Sizes: []Size{0, KiB}, Names: []string{}, Grid: [][]int64{{1}, {}, {2, 3}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEmptyFileIsAllDefaults(t *testing.T) {
	want := edge{Server: server{common: common{4 * MiB, 30 * time.Second}}}
	if got := good(t, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMapInFileReplacesDefault(t *testing.T) {
	e := edge{Pools: map[string]pool{"builtin": {}}}
	if _, err := Decode("f.toml", []byte("[pools.mine]\nnodes = [{address = 'a'}]"), &e); err != nil {
		t.Fatal(err)
	}
	if _, kept := e.Pools["builtin"]; kept || len(e.Pools) != 1 {
		t.Errorf("got pools %v, want only mine", e.Pools)
	}
}

func TestEnvironmentExpands(t *testing.T) {
	t.Setenv("GANGLION_PORT", "8080")
	t.Setenv("GANGLION_EMPTY", "")
	t.Setenv("GANGLION_WEIGHT", "4")
	t.Setenv("GANGLION_SIZE", "2GiB")
	got := good(t, `
[server]
http = "${GANGLION_UNSET:-127.0.0.1}:${GANGLION_PORT}"
admin = "a${GANGLION_EMPTY}b${GANGLION_EMPTY:-c}$${GANGLION_PORT}$x $"
max_body = "${GANGLION_SIZE}"
timeout = "${GANGLION_UNSET:-5s}"
[pools.p]
nodes = [{ address = "x", weight = "${GANGLION_WEIGHT}" }]
retry.budget = "${GANGLION_UNSET:-0.5}"
[routes.r]
pool = "p"
cache = "${GANGLION_UNSET:-true}"
`)
	want := server{
		common: common{2 * GiB, 5 * time.Second},
		HTTP:   "127.0.0.1:8080", Admin: "abc${GANGLION_PORT}$x $",
	}
	if got.Server != want {
		t.Errorf("server: got %+v, want %+v", got.Server, want)
	}
	if p := got.Pools["p"]; p.Nodes[0].Weight != 4 || p.Retry.Budget != 0.5 || !got.Routes["r"].Cache {
		t.Errorf("numbers and booleans from the environment: got %+v %+v", p, got.Routes["r"])
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.toml")
	if _, err := Load(path, &edge{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte("\nnope = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, &edge{})
	if ps, ok := errors.AsType[Problems](err); !ok || !strings.HasPrefix(ps.Error(), path+":2: nope: unknown key") {
		t.Errorf("got %v, want a problem at %s:2", err, path)
	}
}

func TestWarningsComeWithoutError(t *testing.T) {
	warnings, err := Decode("f.toml", []byte("[pools.main]\nnodes = [{}]\npolicy = 'least_load'"), &edge{})
	if err != nil {
		t.Fatal(err)
	}
	want := "f.toml:3: pools.main.policy: least_load is not built yet"
	if warnings.Error() != want {
		t.Errorf("got  %s\nwant %s", warnings.Error(), want)
	}
}

func TestCallersBugPanics(t *testing.T) {
	for name, dst := range map[string]any{
		"no pointer":  edge{},
		"nil pointer": (*edge)(nil),
		"no struct":   new(int),
		"nil":         nil,
		"channel": &struct {
			C chan int `toml:"c"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r, _ := recover().(string); !strings.HasPrefix(r, "BUG: ") {
					t.Errorf("got panic %q, want one that says BUG", r)
				}
			}()
			Decode("f.toml", []byte("c = 1"), dst)
		})
	}
}
