#!/usr/bin/env bash
# Fetches ONNX's operator test vectors, as Debian packages them, into the folder that is named. Skips what is there.
# Needs apt-get to download and dpkg to unpack; installs nothing.
set -euo pipefail

dir=${1:?usage: fetch.sh FOLDER}
if [ -d "$dir/data/node" ]; then
	exit
fi
for tool in apt-get dpkg; do
	command -v "$tool" >/dev/null || {
		echo "conformance: needs $tool, for Debian's package libonnx-testdata; or put its data folder at $dir/data" >&2
		exit 1
	}
done
mkdir -p "$dir"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
(
	cd "$temporary"
	apt-get download -q libonnx-testdata >&2 || {
		apt-get update -qq
		apt-get download -q libonnx-testdata >&2
	}
	dpkg -x libonnx-testdata_*.deb .
)
mv "$temporary/usr/share/libonnx-testdata/data" "$dir/data"
