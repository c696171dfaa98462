package discovery

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watched is a file source on a file that need not be there.
func watched(t *testing.T) (*fileSource, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nodes.txt")
	return &fileSource{path: path, now: time.Now}, path
}

func write(t *testing.T, path, src string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
}

// glance is one look: "=" if there is nothing new, "…" if the source wants to see it again.
func glance(s source) string {
	f, err := s.look(context.Background())
	switch {
	case err != nil:
		return err.Error()
	case f.again > 0:
		return "…"
	case f.same:
		return "="
	}
	return list(f.nodes)
}

func wantLooks(t *testing.T, s source, want ...string) {
	t.Helper()
	for i, w := range want {
		if got := glance(s); !strings.HasSuffix(got, w) {
			t.Errorf("look %d found %q, want %q", i, got, w)
		}
	}
}

func TestFileIsTakenWhenSeenTwice(t *testing.T) {
	s, path := watched(t)
	wantLooks(t, s, "does not exist", "does not exist")
	write(t, path, "10.0.0.1:9000\n10.0.0.2:90") // half written
	wantLooks(t, s, "…")
	write(t, path, "10.0.0.1:9000\n10.0.0.2:9000\n")
	wantLooks(t, s, "…", "10.0.0.1:9000 10.0.0.2:9000", "=", "=")
	write(t, path, "") // as every program does before it writes
	wantLooks(t, s, "…")
	write(t, path, "10.0.0.1:9000\n10.0.0.2:9001\n") // of the same size
	wantLooks(t, s, "…", "10.0.0.1:9000 10.0.0.2:9001", "=")
}

func TestFileThatIsRenamedIntoPlace(t *testing.T) {
	s, path := watched(t)
	write(t, path, "10.0.0.1:9000\n")
	wantLooks(t, s, "…", "10.0.0.1:9000")
	write(t, path+".new", "10.0.0.2:9000\n")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	wantLooks(t, s, "…", "10.0.0.2:9000", "=")
}

// Kubernetes changes a link of the folder above.
func TestFileBehindALink(t *testing.T) {
	dir := t.TempDir()
	for name, src := range map[string]string{"a": "10.0.0.1:9000\n", "b": "10.0.0.2:9000\n"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "nodes.txt"), src)
	}
	link := func(to string) {
		if err := os.Symlink(to, filepath.Join(dir, "new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
	}
	link("a")
	s := &fileSource{path: filepath.Join(dir, "data", "nodes.txt"), now: time.Now}
	wantLooks(t, s, "…", "10.0.0.1:9000")
	link("b")
	wantLooks(t, s, "…", "10.0.0.2:9000")
}

// A stat is believed only once the file is so old that its time would tell.
func TestChangeThatTheTimeOfTheFileDoesNotTell(t *testing.T) {
	s, path := watched(t)
	write(t, path, "10.0.0.1:9000\n")
	old := time.Now().Add(-time.Hour)
	stamp := func() {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	stamp()
	s.now = func() time.Time { return old.Add(time.Second) }
	wantLooks(t, s, "…", "10.0.0.1:9000")
	write(t, path, "10.0.0.2:9000\n")
	stamp()
	wantLooks(t, s, "…", "10.0.0.2:9000")
	s.now = time.Now
	wantLooks(t, s, "=") // it is old now, and was read once more
	if !s.certain {
		t.Error("an old file is read at every look")
	}
}

func TestFileThatIsWrongStaysWrong(t *testing.T) {
	s, path := watched(t)
	write(t, path, "10.0.0.1:9000\n10.0.0.2\n")
	wantLooks(t, s, "…", `nodes.txt:2: address "10.0.0.2" is not "host:port", such as "10.0.0.1:9000" or "[::1]:9000"`,
		`nodes.txt:2: address "10.0.0.2" is not "host:port", such as "10.0.0.1:9000" or "[::1]:9000"`)
	write(t, path, "10.0.0.1:9000\n")
	wantLooks(t, s, "…", "10.0.0.1:9000", "=")
	// What it held before it went is new when it comes back.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantLooks(t, s, "does not exist")
	write(t, path, "10.0.0.1:9000\n")
	wantLooks(t, s, "…", "10.0.0.1:9000")
}

func TestWhatIsNoFile(t *testing.T) {
	s, path := watched(t)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	wantLooks(t, s, "is not a file")
	s, path = watched(t)
	write(t, path, strings.Repeat("#", maxFile+1))
	wantLooks(t, s, "is larger than 1000000 bytes, which is enough for 10000 nodes")
}
