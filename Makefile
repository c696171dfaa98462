# Every verb is listed by `make help`. The first use of a verb installs what it needs into bin/ and .tools/.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .tools/golangci-lint-$(GOLANGCI_VERSION)


VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help
help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: tools-present library ## build bin/gateway and bin/backend, and fetch ONNX Runtime into bin/lib
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/gateway ./cmd/gateway
	@CGO_ENABLED=1 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/backend ./cmd/backend

.PHONY: library
library: ## fetch the ONNX Runtime library for this machine (skipped when present, or with ORT_LIBRARY set)
	@scripts/fetch-onnxruntime.sh bin/lib

.PHONY: tools-present
tools-present:
	@command -v go >/dev/null || { echo "make: needs Go 1.26 or newer on the PATH" >&2; exit 1; }
	@cc=$$(go env CC); command -v $${cc%% *} >/dev/null || { echo "make: needs a C compiler, and $$cc is not there (CC=... names another): the node calls ONNX Runtime through cgo" >&2; exit 1; }

.PHONY: run
run: build ## start two nodes and a gateway with the demo models, and send a first inference; Ctrl-C stops all
	@go build -trimpath -o bin/demo ./cmd/demo
	@exec bin/demo

.PHONY: demo
demo: build ## the same, but stop after the first answers; exits 0 when all went well
	@go build -trimpath -o bin/demo ./cmd/demo
	@bin/demo --once

.PHONY: test
test: build ## run every test with the race detector, end to end ones included
	go test -race -timeout 15m ./...

.PHONY: check
check: build $(GOLANGCI) ## formatting, vet, lint, architecture rules, shipped configuration
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt these: $$unformatted" >&2; exit 1; }
	go vet ./...
	$(GOLANGCI) run ./...
	go test -count=1 .
	bin/gateway validate --config gateway.toml
	go mod tidy -diff
	@echo "check: clean"

.PHONY: e2e
e2e: build ## only the end to end tests: real binaries, real ONNX Runtime
	go test -race -count=1 -timeout 15m -v ./e2e/...

.PHONY: interop
interop: build ## the clients and servers that people have: tritonclient, perf_analyzer, KServe SDK, Triton, MLServer (2 GB by pip)
	@e2e/interop/setup.sh .tools/interop
	go run ./e2e/interop

.PHONY: e2e-faults
e2e-faults: build ## break nodes under load in every way there is, beside nginx and HAProxy, and hold what clients notice against the goals
	@e2e/faults/setup.sh
	go run ./e2e/faults

.PHONY: conformance
conformance: build ## ONNX's own operator models and test vectors through a real node, over JSON and binary
	@e2e/conformance/fetch.sh .tools/conformance
	go run ./e2e/conformance

.PHONY: bench
bench: bench-edge ## the same as bench-edge

.PHONY: bench-edge
bench-edge: build ## what a request costs beside nginx, HAProxy and Envoy, in one run of ten minutes, beside the goals
	@bench/setup.sh
	go run ./bench/edge

.PHONY: bench-codec
bench-codec: ## reading and writing messages beside encoding/json and beside the goals, in one run of half a minute
	go run ./bench/codec

.PHONY: bench-node
bench-node: build ## inference rates with and without batching, through one node, in one run
	go run ./bench/node

.PHONY: bench-pick
bench-pick: ## what choosing a node costs under every policy, from one core and from all, beside the goals, in half a minute
	go run ./bench/pick

.PHONY: bench-sim
bench-sim: ## what each policy makes of many nodes and gateways, simulated beside one ideal central queue, in some minutes
	go run ./bench/sim

.PHONY: bench-rank
bench-rank: ## the order of the policies, simulated and against four real node processes behind a real gateway, in three minutes
	go run ./bench/sim --real --for 30s

.PHONY: bench-overload
bench-overload: build ## what is left of a node's capacity at up to ten times the load, and without nodes, beside HAProxy and nginx, in seven minutes
	@bench/setup.sh
	go run ./bench/overload

.PHONY: bench-hedge
bench-hedge: ## what hedging makes of a tail, and what it costs, in two minutes
	go run ./bench/hedge

.PHONY: bench-stale
bench-stale: ## POSTs that meet a node which hangs up at the same moment, beside nginx and HAProxy, in ten seconds
	@bench/setup.sh
	go run ./bench/stale

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 20s) each
	@go list ./... | while read -r pkg; do \
		for target in $$(go test -list '^Fuzz' "$$pkg" 2>/dev/null | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg"; \
		done; \
	done

.PHONY: models
models: ## train the demo models again from their data (minutes); the same bytes come out
	models/train/fetch-data.sh
	go run ./models/train iris
	go run ./models/train langid
	go run ./models/train fashion
	git diff --stat --exit-code -- models

.PHONY: proto
proto: ## generate internal/oip/pb from its .proto files again (fetches protoc by pip)
	@scripts/proto.sh

.PHONY: clean
clean: ## remove what make built and fetched
	rm -rf bin .tools models/train/data

$(GOLANGCI):
	@mkdir -p .tools
	@echo "building golangci-lint $(GOLANGCI_VERSION) (once)" >&2
	@GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .tools/golangci-lint $@
