package conf

import (
	"strings"
	"testing"
)

// TestProblemMessages pins every message a file can get, word for word: they are the interface of this package.
func TestProblemMessages(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"syntax", "[server]\nhttp = \n", `f.toml:2: not valid TOML: expected value but found '\n' instead`},
		{"duplicate key", "[server]\nhttp = 'a'\n\nhttp = 'b'", `f.toml:4: not valid TOML: key 'server.http' has already been defined`},
		{"no UTF-8", "a = '\xff'", `f.toml:1: not valid TOML: invalid UTF-8 byte: 0xff`},
		{"too deep", "\na = " + strings.Repeat("[", 17), `f.toml:2: nested more than 16 levels deep`},
		{"deep key", "\n[" + strings.Repeat("a.", 16) + "a]", `f.toml:2: key of more than 16 parts`},
		{"long key", strings.Repeat("k", 257) + " = 1", `f.toml:1: key of 257 bytes: at most 256 are accepted`},
		{"too large", strings.Repeat("#", 1<<20+1), `f.toml: file of 1048577 bytes is too large: at most 1048576 bytes are read`},

		{"typo", "[server]\nhtpt = 'a'", `f.toml:2: server.htpt: unknown key; did you mean "http"?`},
		{"case and separator", "[server]\nmaxBody = 1", `f.toml:2: server.maxBody: unknown key; did you mean "max_body"?`},
		{"typo in table", "[sever]\nhttp = 'a'", `f.toml:1: sever: unknown key; did you mean "server"?`},
		{"inner table's key", "[pools.p]\nnodes = [{}]\nattempts = 3", `f.toml:3: pools.p.attempts: unknown key; it belongs in [pools.p.retry]`},
		{"outer table's key", "[server]\n[pools.p]\nnodes = [{}]\n[pools.p.retry]\npolicy = 'x'", `f.toml:5: pools.p.retry.policy: unknown key; it belongs in [pools.p]`},
		{"root's key", "[server]\nlimits = 1", `f.toml:2: server.limits: unknown key; it belongs at the top of the file, before the first [table]`},
		{"nothing near", "[routes.r]\npool = 'p'\nzebra = 1\n[pools.p]\nnodes=[{}]", `f.toml:3: routes.r.zebra: unknown key; accepted here: pool, cache`},
		{"quoted", "[routes.'a.b']\n\"x\\ty\" = 1\npool='p'\n[pools.p]\nnodes=[{}]", `f.toml:2: routes."a.b"."x\ty": unknown key; accepted here: pool, cache`},
		{"untagged field is no key", "notes = 'x'", `f.toml:1: notes: unknown key; accepted here: server, pools, routes, limits`},

		{"string for number", "[limits]\nbyte = '5'", `f.toml:2: limits.byte: found the string "5", accepts a whole number from 0 to 255; write 5 without quotes`},
		{"word for number", "[limits]\ncount = 'many'", `f.toml:2: limits.count: found the string "many", accepts a whole number from 0`},
		{"float for number", "[limits]\nshort = 1.5", `f.toml:2: limits.short: found the number 1.5, accepts a whole number from -32768 to 32767`},
		{"date", "[limits]\nratio = 2026-01-01", `f.toml:2: limits.ratio: found a date or time, accepts a finite number`},
		{"infinite", "[limits]\nratio = inf", `f.toml:2: limits.ratio: +Inf is not a finite number`},
		{"float32 overflow", "[limits]\nratio = 1e39", `f.toml:2: limits.ratio: 1e+39 is not a finite number`},
		{"uint8 overflow", "[limits]\nbyte = 256", `f.toml:2: limits.byte: 256 is out of range: accepts a whole number from 0 to 255`},
		{"negative", "[limits]\ncount = -1", `f.toml:2: limits.count: -1 is out of range: accepts a whole number from 0`},
		{"int16 overflow", "[limits]\nshort = 32768", `f.toml:2: limits.short: 32768 is out of range: accepts a whole number from -32768 to 32767`},
		{"int64 overflow", "[limits]\ncount = 9223372036854775808", `f.toml:2: not valid TOML: 9223372036854775808 is out of range for int64`},
		{"number for string", "[server]\nhttp = 8080", `f.toml:2: server.http: found the number 8080, accepts a string; write "8080" in quotes`},
		{"true for string", "[server]\nhttp = true", `f.toml:2: server.http: found true, accepts a string; write "true" in quotes`},
		{"string for bool", "[routes.r]\ncache = 'true'\npool='p'\n[pools.p]\nnodes=[{}]", `f.toml:2: routes.r.cache: found the string "true", accepts true or false; write true without quotes`},
		{"table for string", "[server.http]", `f.toml:1: server.http: found a table, accepts a string`},
		{"string for table", "server = ':80'", `f.toml:1: server: found the string ":80", accepts a table`},
		{"table for array", "[pools.p]\n[pools.p.nodes]\naddress = 'a'", `f.toml:2: pools.p.nodes: found a table, accepts an array, each element a table; write [[pools.p.nodes]] for each element`},
		{"string for array", "[limits]\nnames = 'a'", `f.toml:2: limits.names: found the string "a", accepts an array, each element a string; write it in [ ], even when there is one`},
		{"array for table", "[[server]]", `f.toml:1: server: found an array of tables, accepts a table`},
		{"element", "[limits]\nnames = [\n 'a',\n # no\n 1,\n]", `f.toml:5: limits.names[1]: found the number 1, accepts a string; write "1" in quotes`},
		{"long string", "[limits]\nbyte = '" + strings.Repeat("é", 40) + "'", `f.toml:2: limits.byte: found the string "` + strings.Repeat("é", 30) + `"…, accepts a whole number from 0 to 255`},

		{"bare duration", "[server]\ntimeout = 30", `f.toml:2: server.timeout: found the number 30, accepts a duration with its unit, such as "30s" or "250ms"; did you mean "30s"?`},
		{"unitless duration", "[server]\ntimeout = '1.5'", `f.toml:2: server.timeout: "1.5" is not a duration with its unit, such as "30s" or "250ms"; did you mean "1.5s"?`},
		{"bad duration", "[server]\ntimeout = 'soon'", `f.toml:2: server.timeout: "soon" is not a duration with its unit, such as "30s" or "250ms"`},
		{"bad size", "[server]\nmax_body = '4 elephants'", `f.toml:2: server.max_body: "4 elephants" is not a size such as "256MiB" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB) or a number of bytes`},
		{"negative size", "[server]\nmax_body = -1", `f.toml:2: server.max_body: -1 is negative: accepts a size such as "256MiB" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB) or a number of bytes`},
		{"huge size", "[server]\nmax_body = '9999999TiB'", `f.toml:2: server.max_body: "9999999TiB" is too large: at most 9223372036854775807 bytes can be counted`},
		{"size as float", "[server]\nmax_body = 1.5", `f.toml:2: server.max_body: found the number 1.5, accepts a size such as "256MiB" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB) or a number of bytes`},

		{"unset variable", "[server]\nhttp = '${GANGLION_UNSET}'", `f.toml:2: server.http: environment variable GANGLION_UNSET is not set; set it or write ${GANGLION_UNSET:-default}`},
		{"open brace", "[server]\nhttp = '${GANGLION_UNSET'", `f.toml:2: server.http: ${ is not closed by }; a plain ${ is written $${`},
		{"no name", "[server]\nhttp = '${:-x}'", `f.toml:2: server.http: ${:-x} is not ${NAME} or ${NAME:-default}; a plain ${ is written $${`},
		{"variable of the wrong type", "[limits]\nbyte = '${GANGLION_UNSET:-x}'", `f.toml:2: limits.byte: found the string "x", accepts a whole number from 0 to 255`},
		{"variable out of range", "[limits]\nbyte = '${GANGLION_UNSET:-256}'", `f.toml:2: limits.byte: 256 is out of range: accepts a whole number from 0 to 255`},

		{"check", "[pools.main]\n[pools.main.retry]", `f.toml:1: pools.main.nodes: a pool needs at least one node`},
		{"dangling", "[pools.main]\nnodes = [{}]\n[routes.'*']\ncache = true\npool = 'mian'", `f.toml:5: routes."*".pool: no pool is called "mian"`},
		{"missing key has its table's line", "[pools.main]\nnodes = [{}]\n[routes.'*']\ncache = true", `f.toml:3: routes."*".pool: no pool is called ""`},
		{"typo silences check of what was meant", "[pools.main]\nnode = [{}]", `f.toml:2: pools.main.node: unknown key; did you mean "nodes"?`},
		{"bad value silences check", "[pools.main]\nnodes = 1", `f.toml:2: pools.main.nodes: found the number 1, accepts an array, each element a table; write it in [ ], even when there is one`},
		{"bad table is no dangling reference", "pools.main = 1\n[routes.r]\npool = 'main'", `f.toml:1: pools.main: found the number 1, accepts a table`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode("f.toml", []byte(tt.src), &edge{})
			if err == nil {
				t.Fatalf("no problem in:\n%s\nwant %s", tt.src, tt.want)
			}
			if err.Error() != tt.want {
				t.Errorf("in:\n%.200s\ngot  %s\nwant %s", tt.src, err, tt.want)
			}
		})
	}
}

func TestAllProblemsAtOnceInOrder(t *testing.T) {
	_, err := Decode("f.toml", []byte(`
[server]
htpt = ":80"
timeout = 5
[pools.main]
polcy = "x"
nodes = [
  { address = 1 },
  { adress = "b" },
]
[pools.main.retry]
attempts = "2"
[pools.empty]
[routes.r]
pool = "nope"
`), &edge{})
	want := strings.TrimSpace(`
f.toml:3: server.htpt: unknown key; did you mean "http"?
f.toml:4: server.timeout: found the number 5, accepts a duration with its unit, such as "30s" or "250ms"; did you mean "5s"?
f.toml:6: pools.main.polcy: unknown key; did you mean "policy"?
f.toml:8: pools.main.nodes[0].address: found the number 1, accepts a string; write "1" in quotes
f.toml:9: pools.main.nodes[1].adress: unknown key; did you mean "address"?
f.toml:12: pools.main.retry.attempts: found the string "2", accepts a whole number; write 2 without quotes
f.toml:13: pools.empty.nodes: a pool needs at least one node
f.toml:15: routes.r.pool: no pool is called "nope"
`)
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
