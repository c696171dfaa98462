package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// perf is perf_analyzer.
type perf struct{ program, libraries string }

// perfAnalyzer finds the one that setup.sh has extracted; there is none for some machines.
func perfAnalyzer(tools string) (p perf, found bool) {
	programs, _ := filepath.Glob(filepath.Join(tools, "perf_analyzer", "*", "perf_analyzer"))
	if len(programs) == 0 {
		return perf{}, false
	}
	return perf{programs[0], filepath.Join(tools, "lib")}, true
}

// suite is a measurement at 1, 6, 11 and 16 requests at a time. It takes windows of a second and calls three of them in a
// row stable that differ by less than half: on a machine that others use too, closer never ends. For the same reason it may
// try again when it has found no such three; errors it may not have at all.
func (p perf) suite(t target, protocol string) suite {
	return suite{t.name + ": perf_analyzer " + protocol, func(ctx context.Context) (string, error) {
		var out []byte
		var err error
		for range tries {
			if out, err = p.measure(ctx, t, protocol); !errors.Is(err, errUnstable) {
				break
			}
		}
		if err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		return strings.Join(throughputs(string(out)), ", "), nil
	}}
}

const tries = 3

func (p perf) measure(ctx context.Context, t target, protocol string) ([]byte, error) {
	address := t.http
	if protocol == "grpc" {
		address = t.grpc
	}
	cmd := exec.Command(p.program, "-m", "identity_FP32", "-i", protocol, "-u", address, "--shape", "IN:16",
		"--concurrency-range", "1:16:5", "--measurement-interval", "1000", "--stability-percentage", "50")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.libraries)
	out, err := output(ctx, cmd)
	if strings.Contains(string(out), unstable) {
		return out, errUnstable
	}
	if err == nil {
		err = complaints(string(out))
	}
	return out, err
}

const unstable = "Failed to obtain stable measurement"

var errUnstable = errors.New("perf_analyzer found no stable measurement")

// complaints finds what perf_analyzer says without failing.
func complaints(out string) error {
	for _, sign := range []string{"failed to", "WARNING", "Error:"} {
		if strings.Contains(out, sign) {
			return fmt.Errorf("perf_analyzer said %q", sign)
		}
	}
	if len(throughputs(out)) != 4 {
		return errors.New("perf_analyzer did not measure all four concurrencies")
	}
	return nil
}

var throughput = regexp.MustCompile(`(?m)^Concurrency: (\d+), throughput: ([\d.]+) infer/sec`)

// throughputs are the measurements as "16: 8000.5/s".
func throughputs(out string) []string {
	var all []string
	for _, m := range throughput.FindAllStringSubmatch(out, -1) {
		all = append(all, m[1]+": "+m[2]+"/s")
	}
	return all
}
