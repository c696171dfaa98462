package gateway

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/hop"
)

var update = flag.Bool("update", false, "write what the tests got into their golden files")

// Each testdata/NAME.bad.toml is refused with exactly the lines of NAME.bad.txt, each NAME.warn.toml is accepted with
// the warnings of NAME.warn.txt.
func TestConfigSaysWhatIsWrong(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.toml")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d bad files (%v), want at least 15", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".bad.toml"), func(t *testing.T) {
			_, _, err := ParseConfig(filepath.Base(file), read(t, file))
			if err == nil {
				t.Fatalf("%s was accepted", file)
			}
			golden(t, file, err.Error()+"\n")
		})
	}
}

func TestConfigWarnsOfWhatItDoesNotDo(t *testing.T) {
	files, err := filepath.Glob("testdata/*.warn.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".warn.toml"), func(t *testing.T) {
			_, warnings, err := ParseConfig(filepath.Base(file), read(t, file))
			if err != nil {
				t.Fatalf("%s was refused: %v", file, err)
			}
			golden(t, file, warnings.Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	want := strings.TrimSuffix(file, ".toml") + ".txt"
	if *update {
		if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if w := string(read(t, want)); got != w {
		t.Errorf("%s:\n got\n%s\nwant\n%s", file, got, w)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConfigDefaults(t *testing.T) {
	cfg, warnings, err := ParseConfig("x.toml", []byte("[pools.main]\nnodes = [{ address = \"10.0.0.1:9000\" }]\n[routes.\"*\"]\npool = \"main\"\n"))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("a minimal file: %v, warnings %v", err, warnings)
	}
	rt := cfg.Routes["*"]
	if cfg.Server.HTTP != ":8080" || cfg.Server.Admin != "127.0.0.1:8082" || rt.Timeout != 30*time.Second || rt.Cache.TTL != 0 ||
		cfg.Cache.MaxBytes != 256*conf.MiB || cfg.Log.Access != "stdout" || cfg.Upstream.MaxConnections != 512 {
		t.Errorf("the defaults are %+v", cfg)
	}
}

func FuzzParseConfig(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.toml")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		cfg, _, err := ParseConfig("f", src)
		if err == nil && (len(cfg.Routes) == 0 || len(cfg.Pools) == 0) {
			t.Errorf("accepted a file that serves nothing:\n%s", src)
		}
		if err == nil {
			if _, err := buildTable(cfg, nil, memory{answers: hop.NewBudget(0), bodies: hop.NewBudget(0)}, quiet); err != nil {
				t.Errorf("accepted a file from which no table can be made: %v\n%s", err, src)
			}
		}
	})
}
