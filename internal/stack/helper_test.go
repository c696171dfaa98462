package stack

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode, ok := os.LookupEnv("STACK_TEST_MODE"); ok && len(os.Args) > 1 {
		helper(os.Args[1], mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// helper is what the test binary does in the place of a gateway ("run") or a node ("serve"), or of a program that starts
// a stack ("parent"). A mode spoils one of them: "node crashes".
func helper(role, mode string) {
	if role == "parent" {
		parent()
		return
	}
	addresses := []string{os.Getenv("STACK_HTTP"), os.Getenv("STACK_ADMIN")}
	who := "gateway"
	if role == "serve" {
		addresses = []string{os.Args[slices.Index(os.Args, "--http")+1]}
		who = "node"
	}
	fmt.Println("args:", os.Args[1:])
	switch mode {
	case who + " crashes":
		fmt.Println("cannot find the meaning of life")
		os.Exit(3)
	case who + " ignores SIGTERM":
		signal.Ignore(syscall.SIGTERM)
	case who + " has a child":
		cmd := exec.Command("sleep", "60")
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Println("child:", cmd.Process.Pid)
	}
	mux := http.NewServeMux()
	ready := func(w http.ResponseWriter, _ *http.Request) {
		if mode == who+" is never ready" {
			http.Error(w, "still loading", http.StatusServiceUnavailable)
		}
	}
	mux.HandleFunc("/v2/health/ready", ready)
	mux.HandleFunc("/readyz", ready)
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(4) })
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if mode == who+" ignores SIGTERM" {
		ctx = context.Background()
	}
	for _, a := range addresses {
		go func() { panic(http.ListenAndServe(a, mux)) }()
	}
	<-ctx.Done()
}

// parent starts a stack, says so, and waits to be killed.
func parent() {
	s, err := Start(context.Background(), Config{Gateway: os.Args[0], Backend: os.Args[0], Models: "."})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Gateway().PID(), s.Nodes()[0].PID(), s.Nodes()[1].PID())
	select {}
}
