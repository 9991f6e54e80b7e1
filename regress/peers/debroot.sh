#!/bin/sh
# SPDX-License-Identifier: ISC
# debroot.sh DEB DIR: a fresh Debian below DIR/root, as small as it comes, with
# what the package depends on; DIR/.done when it stands.  deb.t.sh copies it.
set -eu
deb=$1 dir=$2
mkdir -p "$dir"
if [ ! -x "$dir/root/usr/bin/apt-get" ]; then
	rm -rf "$dir/root"
	debootstrap --variant=minbase bookworm "$dir/root" \
	    http://deb.debian.org/debian
fi
cp /etc/resolv.conf "$dir/root/etc/resolv.conf" 2>/dev/null || :
depends=$(dpkg-deb -f "$deb" Depends)
unshare -m sh -ec '
	mount -t proc proc "$1/proc"
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	chroot "$1" apt-get -qq update
	chroot "$1" apt-get -qq -y --no-install-recommends satisfy "$2"
' sh "$dir/root" "$depends"
touch "$dir/.done"
