#!/bin/sh
# SPDX-License-Identifier: ISC
# units.sh: the service files.  Their scores are the floor under all roles; the
# users they need are those that priv.c knows; installing puts PREFIX in.
. regress/scenario/lib.sh

score() {
	systemd-analyze security --offline=true "etc/systemd/$1.service" 2>"$D/err" |
	    sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p'
}
not_worse() {
	s=$(score "$1")
	diag "$1.service: exposure $s, wanted at most $2"
	perl -e 'exit !($ARGV[0] ne "" && $ARGV[0] <= $ARGV[1])' "$s" "$2"
	ok $? "$1.service is not worse than $2"
	is "$(grep -v 'kernel system call list' "$D/err")" "" \
	    "$1.service: nothing in it is unknown"
}
if command -v systemd-analyze >/dev/null 2>&1; then
	not_worse proxyd 2.6
	not_worse proxyd-user 1.2
	sed 's/^RestrictNamespaces=.*//; s/^SystemCallFilter=.*//' \
	    etc/systemd/proxyd.service > "$D/proxyd.service"
	s=$(systemd-analyze security --offline=true "$D/proxyd.service" 2>/dev/null |
	    sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
	perl -e 'exit !($ARGV[0] > 2.6)' "$s"
	ok $? "the same unit without its filters ($s) would not pass"
else
	diag "SKIPPED the scores: no systemd-analyze on this system"
fi
is "$(sed -n 's/^CapabilityBoundingSet=//p' etc/systemd/proxyd.service |
    tr ' ' '\n' | sort | tr '\n' ' ')" \
    "$(sed -n '/define KEPT/,/^$/p' common/proc/priv_linux.c |
    grep -o 'CAP_[A-Z_]*' | sort | tr '\n' ' ')" \
    "the unit's capabilities are those that the parents keep"
is "$(awk '$1 == "u" { print $2 }' etc/sysusers.d/proxyd.conf | sort | tr '\n' ' ')" \
    "$(sed -n '/users\[\] = {/,/^};/s/.*"\(_[a-z]*\)".*/\1/p' \
    common/proc/priv.c | sort | tr '\n' ' ')" "sysusers.d has priv.c's users"
is "$(sed -n 's/.*for u in \(_.*\); do/\1/p' etc/debian/postrm | tr ' ' '\n' |
    sort | tr '\n' ' ')" \
    "$(awk '$1 == "u" { print $2 }' etc/sysusers.d/proxyd.conf | sort | tr '\n' ' ')" \
    "purge removes the same users"
sh mk/etc.sh "$D/dest" /opt/x
is "$(sed -n 's/^ExecStart=//p' "$D/dest/opt/x/lib/systemd/system/proxyd.service")" \
    /opt/x/sbin/proxyd "installed units name the installed program"
for s in etc/debian/postinst etc/debian/prerm etc/debian/postrm etc/rc.d/proxyd \
    etc/examples/secrets/kubernetes-secret.sh; do
	sh -n "$s"; ok $? "$s is a shell script"
done
finish
