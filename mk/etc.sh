#!/bin/sh
# SPDX-License-Identifier: ISC
# etc.sh DESTDIR PREFIX: services, users, directories and examples of etc/.
# Called by make install; starts nothing and makes no user.
set -eu
d=$1$2 prefix=$2
mkdir -p "$d/lib/sysusers.d" "$d/lib/tmpfiles.d" "$d/lib/systemd/system" \
    "$d/share/proxyd/examples"
install -m 644 etc/sysusers.d/proxyd.conf "$d/lib/sysusers.d/"
install -m 644 etc/tmpfiles.d/proxyd.conf "$d/lib/tmpfiles.d/"
for u in proxyd proxyd-user; do
	sed "s,/usr/sbin/,$prefix/sbin/,g" "etc/systemd/$u.service" \
	    > "$d/lib/systemd/system/$u.service"
	chmod 644 "$d/lib/systemd/system/$u.service"
done
(cd etc && find rc.d kubernetes examples -type f) | while read -r f; do
	t=$d/share/proxyd/examples/${f#examples/}
	mkdir -p "${t%/*}"
	install -m 644 "etc/$f" "$t"
done
