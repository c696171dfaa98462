package stack

import (
	"fmt"
	"strings"
)

// gatewayConfig is the text that the gateway reads.
func (s *Stack) gatewayConfig() string {
	if s.cfg.GatewayConfig != "" {
		return s.cfg.GatewayConfig
	}
	nodes := make([]string, len(s.cfg.NodeAddresses))
	for i := range nodes {
		nodes[i] = fmt.Sprintf("  { address = \"${STACK_NODE_%d}\" },\n", i+1)
	}
	return "[server]\nhttp = \"${STACK_HTTP}\"\ngrpc = \"${STACK_GRPC}\"\nadmin = \"${STACK_ADMIN}\"\n\n[pools.main]\nnodes = [\n" +
		strings.Join(nodes, "") + "]\n\n[routes.\"*\"]\npool = \"main\"\n"
}

// environment is what the processes get beside our own.
func (s *Stack) environment() []string {
	env := []string{"STACK_HTTP=" + s.http, "STACK_GRPC=" + s.grpc, "STACK_ADMIN=" + s.admin}
	for i, address := range s.cfg.NodeAddresses {
		env = append(env, fmt.Sprintf("STACK_NODE_%d=%s", i+1, address), fmt.Sprintf("STACK_NODE_GRPC_%d=%s", i+1, s.nodeGRPC[i]))
	}
	if s.cfg.Library != "" {
		env = append(env, "ORT_LIBRARY="+s.cfg.Library)
	}
	return append(env, s.cfg.Env...)
}
