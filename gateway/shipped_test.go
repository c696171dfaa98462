package gateway

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ganglion/balancer"
	"ganglion/internal/certs"
	"ganglion/internal/discovery"
)

// The gateway.toml of the repository is what everybody starts from: it must load without a word of warning, and what it
// calls a default must be one.
func TestTheShippedFile(t *testing.T) {
	src := string(read(t, "../gateway.toml"))
	cfg, warnings, err := ParseConfig("gateway.toml", []byte(src))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v\nwarnings: %v", err, warnings)
	}
	if got := slices.Sorted(maps.Keys(cfg.Routes)); !slices.Equal(got, []string{"fashion_mnist_cnn", "iris", "language_id"}) {
		t.Errorf("routes %v, want one for each demo model", got)
	}
	explicit := addDefaults(t, src)
	same, _, err := ParseConfig("gateway.toml with its comments", []byte(explicit))
	if err != nil {
		t.Fatalf("%v\n%s", err, explicit)
	}
	if !reflect.DeepEqual(cfg, same) {
		t.Errorf("what the comments call defaults changes the configuration:\n%+v\n%+v", cfg, same)
	}
}

// Every key of the tables that all files share is shown.
func TestTheShippedFileIsComplete(t *testing.T) {
	src := string(read(t, "../gateway.toml"))
	var keys func(reflect.Type)
	keys = func(typ reflect.Type) {
		for f := range typ.Fields() {
			if f.Anonymous {
				keys(f.Type)
				continue
			}
			key := f.Tag.Get("toml")
			later := key == "compare" // not in this version yet
			if !later && !regexp.MustCompile(`(?m)^[# \[a-z.]*\b`+key+`\b`).MatchString(src) {
				t.Errorf("%s.%s is not in the file", typ.Name(), key)
			}
		}
	}
	for _, part := range []any{
		ServerConfig{},
		LogConfig{},
		UpstreamConfig{},
		RouteConfig{},
		PriorityConfig{},
		CanaryConfig{},
		ShadowConfig{},
		certs.ClientConfig{},
		certs.ServerConfig{},
		discovery.Config{},
		Config{}.Pools["x"].Hash, Config{}.Pools["x"].Health, Config{}.Pools["x"].Breaker, Config{}.Pools["x"].Retry,
		balancer.HedgeConfig{},
	} {
		keys(reflect.TypeOf(part))
	}
}

// addDefaults moves the commented defaults of src into its tables.
func addDefaults(t *testing.T, src string) string {
	t.Helper()
	_, comments, found := strings.Cut(src, "# The defaults of everything else:\n")
	if !found {
		t.Fatal("the file has no defaults")
	}
	table, defaults, shown := "", map[string]string{}, 0
	for line := range strings.Lines(comments) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "# ")
		if strings.HasPrefix(line, "[") {
			table, _, _ = strings.Cut(line, " ")
		} else if strings.Contains(line, "=") {
			defaults[table] += line + "\n"
			shown++
		}
	}
	if shown < 30 {
		t.Fatalf("found only %d defaults", shown)
	}
	var out strings.Builder
	for line := range strings.Lines(src) {
		out.WriteString(line)
		header, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		out.WriteString(defaults[header])
		delete(defaults, header)
	}
	for _, table := range slices.Sorted(maps.Keys(defaults)) {
		out.WriteString("\n" + table + "\n" + defaults[table])
	}
	return out.String()
}
