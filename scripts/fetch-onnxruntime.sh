#!/usr/bin/env bash
# fetch-onnxruntime.sh DIR: puts ONNX Runtime's CPU library for this machine into DIR, checked by hash.
#
# Does nothing when the right file is there already, or when ORT_LIBRARY names a library of your own.
# Sources, in this order:
#   pip  onnxruntime 1.32.0        23 to 28 MB; the newest release, and past 1.30.1, which mended heap
#                                  overflows while a model is loaded
#   npm  onnxruntime-node 1.30.0   114 MB (it holds every platform); the newest that npm has, older than 1.30.1
# Neither package is installed: the archive is fetched, one file is taken out, the rest is deleted.
set -euo pipefail

die() { echo "fetch-onnxruntime: $*" >&2; exit 1; }
say() { echo "fetch-onnxruntime: $*" >&2; }

[ $# -eq 1 ] || die "usage: fetch-onnxruntime.sh DIR"
dir=$1

if [ -n "${ORT_LIBRARY:-}" ]; then
	[ -f "$ORT_LIBRARY" ] || die "ORT_LIBRARY=$ORT_LIBRARY: no such file"
	exit 0
fi

# Per platform: file name, pip's platform tag, path and hash of the library inside the wheel, the same for npm.
case "$(uname -sm)" in
"Linux x86_64")
	name=libonnxruntime.so tag=manylinux_2_28_x86_64
	wheel_path=onnxruntime/capi/libonnxruntime.so.1.32.0
	wheel_sum=6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f
	npm_path=package/bin/napi-v6/linux/x64/libonnxruntime.so.1
	npm_sum=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23
	;;
"Linux aarch64")
	name=libonnxruntime.so tag=manylinux_2_28_aarch64
	wheel_path=onnxruntime/capi/libonnxruntime.so.1.32.0
	wheel_sum=49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a
	npm_path=package/bin/napi-v6/linux/arm64/libonnxruntime.so.1
	npm_sum=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76
	;;
"Darwin arm64")
	name=libonnxruntime.dylib tag=macosx_14_0_arm64
	wheel_path=onnxruntime/capi/libonnxruntime.1.32.0.dylib
	wheel_sum=fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7
	npm_path=package/bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib
	npm_sum=685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d
	;;
*) die "no ONNX Runtime is pinned for $(uname -sm); set ORT_LIBRARY=/path/to/libonnxruntime (version 1.24 or newer)" ;;
esac
dest=$dir/$name

sum_of() {
	if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

if [ -f "$dest" ]; then
	have=$(sum_of "$dest")
	if [ "$have" = "$wheel_sum" ] || [ "$have" = "$npm_sum" ]; then exit 0; fi
fi

mkdir -p "$dir"
tmp=$(mktemp -d "$dir/.fetch.XXXXXX") # beside the destination, so that the last step is one rename
trap 'rm -rf "$tmp"' EXIT

# place FILE SUM: checks FILE against SUM and moves it to its place in one step.
place() {
	local got
	got=$(sum_of "$1")
	[ "$got" = "$2" ] || die "the fetched library has sha256 $got, expected $2; nothing was installed"
	mv "$1" "$dest"
}

pip_command() {
	local c
	for c in "python3 -m pip" "python -m pip" "pip3" "pip"; do
		if $c --version >/dev/null 2>&1; then echo "$c"; return; fi
	done
}

from_pip() {
	local pip
	pip=$(pip_command)
	[ -n "$pip" ] || return 1
	say "getting onnxruntime 1.32.0 by pip (23 to 28 MB)"
	# The Python version names one of the published wheels; the library inside does not depend on it.
	$pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--implementation cp --python-version 3.12 --abi cp312 --platform "$tag" \
		--dest "$tmp" onnxruntime==1.32.0 >"$tmp/log" 2>&1 || return 1
	unpack_wheel "$tmp"/onnxruntime-1.32.0-*.whl || return 1
	place "$tmp/$wheel_path" "$wheel_sum"
}

# A wheel is a zip file: take whichever unpacker the machine has.
unpack_wheel() {
	local py
	if command -v unzip >/dev/null; then unzip -q "$1" "$wheel_path" -d "$tmp"; return; fi
	for py in python3 python; do
		if command -v $py >/dev/null; then $py -m zipfile -e "$1" "$tmp"; return; fi
	done
	return 1
}

from_npm() {
	command -v npm >/dev/null || return 1
	say "getting onnxruntime-node 1.30.0 by npm (114 MB)"
	# pack, never install: its install script goes elsewhere for CUDA files.
	(cd "$tmp" && npm pack --silent onnxruntime-node@1.30.0 >/dev/null 2>>log) || return 1
	tar -xzf "$tmp/onnxruntime-node-1.30.0.tgz" -C "$tmp" "$npm_path" || return 1
	place "$tmp/$npm_path" "$npm_sum"
	say "note: 1.30.0 predates 1.30.1, which mended heap overflows at model load; load only models you trust, or install pip"
}

if from_pip || from_npm; then
	say "ONNX Runtime is at $dest"
	exit 0
fi
[ -n "$(pip_command)" ] || command -v npm >/dev/null ||
	die "needs pip or npm to fetch ONNX Runtime; install one of them, or set ORT_LIBRARY=/path/to/$name"
die "could not fetch ONNX Runtime: $(tail -n 1 "$tmp/log" 2>/dev/null); try again, or set ORT_LIBRARY=/path/to/$name"
