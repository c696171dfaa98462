package conf

import "testing"

func TestSuggest(t *testing.T) {
	policies := []string{"round_robin", "weighted", "least_connections", "least_load", "peak_ewma", "consistent_hash"}
	f := func(word, want string) {
		t.Helper()
		if got := Suggest(word, policies); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", word, got, want)
		}
	}
	f("roundrobin", "round_robin")
	f("Round-Robin", "round_robin")
	f("least_laod", "least_load")
	f("least_conn", "least_connections")
	f("least", "")
	f("wieghted", "weighted")
	f("peak", "peak_ewma")
	f("pe", "")
	f("", "")
	f("x", "")
	f("zzzzzzzzzzzz", "")
	if got := Suggest("a", []string{"b", "c"}); got != "" {
		t.Errorf("one letter for another: got %q, want none", got)
	}
}

func TestDistance(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := distance(a, b, 100); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
		if got := distance(b, a, 100); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", b, a, got, want)
		}
	}
	f("", "", 0)
	f("", "abc", 3)
	f("abc", "abc", 0)
	f("abc", "acb", 1)
	f("ca", "abc", 3)
	f("kitten", "sitting", 3)
}
