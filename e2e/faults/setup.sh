#!/bin/sh
# Installs what the tests of faults drop packets with (iptables) and what they
# compare with (nginx, haproxy), when it is missing, by apt-get. Services that
# the packages start are stopped again. Without apt-get or root it says what
# will be left out, and that is all: the other faults need nothing.
set -eu

missing=
for tool in iptables nginx haproxy; do
	PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0

without() {
	echo "setup: without$missing: $1; what needs them is left out" >&2
	exit 0
}
command -v apt-get >/dev/null || without "this system has no apt-get"
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || without "installing needs root, and there is no sudo"
	sudo=sudo
fi

echo "setup: installing$missing" >&2
# shellcheck disable=SC2086 # one word for each package
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends $missing >/dev/null ||
	without "apt-get cannot install them: is \"apt-get update\" due?"
if [ -d /run/systemd/system ]; then
	for service in nginx haproxy; do
		case "$missing" in *$service*) $sudo systemctl disable --quiet --now "$service" ;; esac
	done
fi
