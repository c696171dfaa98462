package cache

import (
	"strings"
	"testing"

	"ganglion/internal/conf"
)

// file is a gateway.toml that has nothing but the cache.
type file struct {
	Cache Config `toml:"cache"`
}

func (f *file) Check(r *conf.Report) { f.Cache.Check(r.At("cache")) }

func TestConfig(t *testing.T) {
	f := func(text string, want conf.Size, wantErr string) {
		t.Helper()
		var got file
		_, err := conf.Decode("gateway.toml", []byte(text), &got)
		switch {
		case wantErr == "" && (err != nil || got.Cache.MaxBytes != want):
			t.Errorf("%q: got %v, %v; want %v", text, got.Cache.MaxBytes, err, want)
		case wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)):
			t.Errorf("%q: err = %v, want %q", text, err, wantErr)
		}
	}
	f("", 256*conf.MiB, "")
	f("[cache]\nmax_bytes = 0", 0, "")
	f("[cache]\nmax_bytes = \"1GiB\"", conf.GiB, "")
	f("[cache]\nmax_bytes = \"4KiB\"", 0, "gateway.toml:2: cache.max_bytes: 4KiB is out of range: accepted are 0 (no cache) and 1MiB to 1024TiB")
}
