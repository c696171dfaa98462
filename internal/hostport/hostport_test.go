package hostport

import (
	"strings"
	"testing"
)

func TestEqualAddressesAreEqual(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got, err := Canonical(in); err != nil || got != want {
			t.Errorf("Canonical(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	f("10.0.0.1:9000", "10.0.0.1:9000")
	f("10.0.0.1:09000", "10.0.0.1:9000")
	f("[::ffff:10.0.0.1]:9000", "10.0.0.1:9000")
	f("[2001:DB8:0::1]:9000", "[2001:db8::1]:9000")
	f("[fe80::1%eth0]:9000", "[fe80::1%eth0]:9000")
	f("Node-1.Example.:9000", "node-1.example:9000")
	f("gpu_7:9000", "gpu_7:9000")
}

func TestAddressesThatMakeNoSense(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "is not \"host:port\"",
		"10.0.0.1":                          "is not \"host:port\"",
		"::1:9000":                          "is not \"host:port\"",
		"http://10.0.0.1:9000":              "has a scheme",
		"10.0.0.1:0":                        "port \"0\"",
		"10.0.0.1:65536":                    "port \"65536\"",
		"10.0.0.1:http":                     "port \"http\"",
		":9000":                             "host \"\"",
		"10.0.0.256:9000":                   "host \"10.0.0.256\"",
		"a b:9000":                          "host \"a b\"",
		"-a.example:9000":                   "host \"-a.example\"",
		strings.Repeat("a", 64) + ":9000":   "accepted are an IP address or a host name",
		strings.Repeat("a.", 127) + "a:900": "accepted are an IP address or a host name",
	} {
		if got, err := Canonical(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Canonical(%q) = %q, %v, want an error with %q", in, got, err, want)
		}
	}
}
