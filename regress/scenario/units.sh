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
# --- the unit's filter lets through what the gateway calls ----------------------
# A service manager's filter that is too narrow would show at a customer only.
expand() {
	case $1 in
	@*)	systemd-analyze syscall-filter "$1" 2>/dev/null | sed 's/#.*//' |
		    while read -r n; do
			case $n in "$1"|"") ;; *) (expand "$n") ;; esac
		    done ;;
	*)	echo "$1" ;;
	esac
}
names() { for n in $(sed -n "s/^SystemCallFilter=$1//p" "$2"); do expand "$n"; done | sort -u; }
allowed() {
	sed 's/^SystemCallFilter=~/~/' "$1" > "$D/plus"
	sed 's/^SystemCallFilter=~/SystemCallFilter=/; t; s/^SystemCallFilter=.*//' \
	    "$1" > "$D/minus"
	names '' "$D/plus" > "$D/yes"
	names '' "$D/minus" > "$D/no"
	comm -23 "$D/yes" "$D/no"
}
if command -v systemd-analyze >/dev/null 2>&1 &&
    command -v strace >/dev/null 2>&1; then
	GW_WRAP="strace -f -qq -o $D/trace"
	gw_start
	for _ in 1 2 3; do chat gpt-4o-mini hello > /dev/null; done
	chat_stream gpt-4o-mini hello > /dev/null
	proxyd=$(role_pid proxyd)
	kill -HUP "$proxyd"
	soon 60 has "$D/log" 'configuration read again'
	sleep 1
	like "$(chat gpt-4o-mini hello)" content "traced through a call and a reload"
	ctl status > /dev/null
	kill "$proxyd"; wait "$gw_pid"; gw_pid=
	sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$D/trace" | sort -u > "$D/used"
	[ "$(wc -l < "$D/used")" -ge 70 ]
	ok $? "$(wc -l < "$D/used") different system calls were seen"
	allowed etc/systemd/proxyd.service > "$D/ok"
	is "$(comm -23 "$D/used" "$D/ok")" "" "proxyd.service allows all of them"
	# Without root those that only root takes are not reached.
	allowed etc/systemd/proxyd-user.service > "$D/ok"
	is "$(comm -23 "$D/used" "$D/ok" | grep -v -x -e capset -e chroot \
	    -e 'f*chown.*' -e 'set.*')" "" "proxyd-user.service too, but for root's"
	sed -n 's/^RestrictAddressFamilies=//p' etc/systemd/proxyd.service |
	    tr ' ' '\n' | sort > "$D/ok"
	is "$(grep -o 'socket(AF_[A-Z0-9]*' "$D/trace" | sed 's/.*(//' | sort -u |
	    comm -23 - "$D/ok")" "" "no other address family than the unit's"
	is "$(grep -c 'PROT_WRITE|PROT_EXEC' "$D/trace")" 0 \
	    "no memory is writable and executable"
else
	diag "SKIPPED the filters: no systemd-analyze or strace"
fi
finish
