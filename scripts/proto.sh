#!/usr/bin/env bash
# proto.sh: writes the Go files of internal/oip/pb anew from its .proto files, with pinned tools kept in .tools/.
# Only whoever changes a .proto file needs it: the generated files are committed.
set -euo pipefail

grpcio_tools=1.85.1 # brings protoc as a Python package, so that no archive has to be fetched by hand
gen_go=v1.36.12     # the version of google.golang.org/protobuf in go.mod: older ones may not know what it generates
gen_go_grpc=v1.6.2

cd "$(dirname "$0")/.."
venv=.tools/protoc-$grpcio_tools
plugins=$PWD/.tools/protoc-plugins-$gen_go-$gen_go_grpc

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import grpc_tools' 2>/dev/null; then
	echo "proto: getting grpcio-tools $grpcio_tools by pip (once)" >&2
	python3 -m venv "$venv"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "grpcio-tools==$grpcio_tools"
fi
GOBIN=$plugins go install "google.golang.org/protobuf/cmd/protoc-gen-go@$gen_go"
GOBIN=$plugins go install "google.golang.org/grpc/cmd/protoc-gen-go-grpc@$gen_go_grpc"

# Named from the root of the tree: protobuf keeps one registry of file names per program, and "inference.proto" alone
# could meet another's.
PATH=$plugins:$PATH "$venv/bin/python" -m grpc_tools.protoc --proto_path=. \
	--go_out=. --go_opt=module=ganglion --go-grpc_out=. --go-grpc_opt=module=ganglion \
	internal/oip/pb/model_config.proto internal/oip/pb/inference.proto
