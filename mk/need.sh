#!/bin/sh
# need.sh check|install SET...: Debian packages that a target needs.
#   check    print the one apt line that is missing, if any; never installs
#   install  as root or through sudo -n install them, else print and fail
set -eu
mode=$1; shift
build="gcc libc6-dev make bison libtls-dev libcurl4-openssl-dev libssl-dev
    libsodium-dev libjansson-dev libsqlite3-dev libevent-dev libseccomp-dev
    libbsd-dev"
run="ca-certificates curl"
regress="libcmocka-dev perl mandoc clang-14 libclang-rt-14-dev cppcheck
    codespell strace spin python3-minimal sqlite3 binutils procps bmake
    iproute2 openssl systemd python3-cryptography
    python3-cryptography-vectors"
deploy="debootstrap dpkg-dev python3-yaml"
peers="python3-venv nodejs npm testssl.sh $deploy"
bench="nginx haproxy perl openssl curl util-linux"
[ "$(uname -s)" = Linux ] || exit 0
command -v dpkg-query >/dev/null 2>&1 || exit 0
want=
for set in "$@"; do
	case $set in
	build) want="$want $build" ;;
	run) want="$want $run" ;;
	regress) want="$want $regress" ;;
	bench) want="$want $bench" ;;
	peers)
		# A node that is no Debian package (nvm, image) serves as well.
		command -v npm >/dev/null 2>&1 &&
		    peers="python3-venv testssl.sh $deploy"
		want="$want $peers" ;;
	esac
done
missing=
for p in $want; do
	case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
	"install ok installed") ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0
line="apt-get install -y --no-install-recommends$missing"
if [ "$mode" = check ]; then
	echo "missing Debian packages; run: $line" >&2
	exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		sudo="sudo -n"
	else
		echo "missing Debian packages; run as root: $line" >&2
		exit 1
	fi
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo $line >/dev/null
