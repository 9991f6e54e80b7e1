#!/bin/sh
# SPDX-License-Identifier: ISC
# deb.sh: the Debian package, with dpkg-dev alone.  Run by make deb from the
# top; the result is out/proxyd_VERSION_ARCH.deb.  What it installs, starts and
# leaves is proved by regress/peers/deb.t.sh.
set -eu
umask 022
top=$(pwd)
w=$top/obj/deb
r=$w/root
version=$(sed -n 's/^#define PROXYD_VERSION[[:space:]]*"\([0-9.]*\)"$/\1/p' common/proc/args.h)
arch=$(dpkg --print-architecture)
[ -n "$version" ] || { echo "deb: no version in common/proc/args.h" >&2; exit 1; }
for c in dpkg-deb dpkg-shlibdeps strip; do
	command -v $c >/dev/null || {
		echo "deb: $c is missing: apt-get install dpkg-dev binutils" >&2
		exit 1
	}
done

rm -rf "$w"
mkdir -p "$r/DEBIAN" "$w/debian" "$r/etc/proxyd" "$r/usr/share/doc/proxyd"
${MAKE:-make} -s install DESTDIR="$r" PREFIX=/usr
bins=$(find "$r/usr/sbin" "$r/usr/bin" "$r/usr/libexec" -type f)
# shellcheck disable=SC2086
strip --strip-unneeded $bins
find "$r/usr/share/man" -type f -exec gzip -9n {} +

# Configuration: the compiled-in text, and where a service takes its keys from.
install -m 644 etc/proxyd.conf "$r/etc/proxyd/"
{
	cat etc/keybrokerd.conf
	echo
	echo '# One file for each variable, named like it, mode 0600.'
	echo 'secrets directory "/etc/proxyd/secrets"'
} > "$r/etc/proxyd/keybrokerd.conf"
printf '/etc/proxyd/proxyd.conf\n/etc/proxyd/keybrokerd.conf\n' \
    > "$r/DEBIAN/conffiles"
install -m 644 LICENSE "$r/usr/share/doc/proxyd/copyright"
install -m 644 README.md SECURITY.md "$r/usr/share/doc/proxyd/"

# Depends from what the executables really need.
printf 'Source: proxyd\n\nPackage: proxyd\nArchitecture: any\nDepends: ${shlibs:Depends}\n' \
    > "$w/debian/control"
# shellcheck disable=SC2086
depends=$(cd "$w" && dpkg-shlibdeps -O $bins 2>"$w/shlibdeps.log" |
    sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { cat "$w/shlibdeps.log" >&2; exit 1; }
size=$(du -sk --exclude=DEBIAN "$r" | cut -f1)
cat > "$r/DEBIAN/control" <<END
Package: proxyd
Version: $version-1
Architecture: $arch
Maintainer: proxyd maintainers <root@localhost>
Section: net
Priority: optional
Installed-Size: $size
Depends: $depends, ca-certificates, passwd, init-system-helpers, systemd-standalone-sysusers | systemd-sysusers, systemd-standalone-tmpfiles | systemd-tmpfiles
Description: hardened gateway for LLM providers
 Developers and agents hold revocable keys of their own; the providers' keys
 stay behind a confined key broker that decides each call and writes a signed
 record of it before a credential leaves it.
 .
 Contains the gateway (proxyd, keybrokerd, proxyctl) and the program that an
 auditor needs (auditverify).
END
for s in postinst prerm postrm; do
	install -m 755 "etc/debian/$s" "$r/DEBIAN/$s"
done
(cd "$r" && find usr -type f | LC_ALL=C sort | xargs md5sum) \
    > "$r/DEBIAN/md5sums"
deb=$top/out/proxyd_${version}-1_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$r" "$deb" >/dev/null
echo "$deb"
