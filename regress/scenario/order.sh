# SPDX-License-Identifier: ISC
# S7: no credential before the disk.  The whole tree runs under strace, loaded,
# with roles killed; order.pl pairs each request that left with a credential
# with the sync of its record.  Secrets are in ordinary pages here: from where
# they are in service no tracer can read them, so the proof could not see them.
# CALLS=n (10,000); the control is a build that does not sync.
. regress/scenario/lib.sh
LC_ALL=C; export LC_ALL
calls=${CALLS:-10000}
command -v strace > /dev/null || skip_all "strace is not installed"
for f in ordinary nosync; do
	[ -x obj/$f/out/sbin/proxyd ] || skip_all "make $f first"
done
strace -o /dev/null -f --seccomp-bpf true 2>/dev/null ||
    skip_all "processes cannot be traced here"

slay() {	# the next role
	case $((killed % 4)) in
	0) role=ledger ;; 1) role=broker ;; 2) role=egress ;; *) role=worker ;;
	esac
	kill -9 "$(role_pid $role)" 2>/dev/null
	killed=$((killed + 1))
}
# traced CALLS KILLS: $D/result has the checker's words
traced() {
	rm -rf "$D/state" "$D/ctl.sock" "$D/vault.key" "$D/conf" "$D/result"
	PORT=$(free_port) OKEY=sk-test-$(random_word)$(random_word)
	LOAD_OUT=$D/load.$2; export LOAD_OUT; : > "$LOAD_OUT"
	cat > "$D/check" <<END
#!/bin/sh
exec perl $top/regress/scenario/order.pl $OKEY > $D/result.new 2> $D/complaints
END
	chmod 700 "$D/check"
	GW_WRAP=$D/strace
	cat > "$GW_WRAP" <<END
#!/bin/sh
exec strace -D -f --seccomp-bpf -q -y -xx -s 131072 -o '|$D/check; mv $D/result.new $D/result' \\
    -e trace=pwrite64,fdatasync,fsync,sendto,write,writev,sendmsg,sendmmsg "\$@"
END
	chmod 700 "$GW_WRAP"
	: > "$D/provider.log"
	gw_start
	perl regress/scenario/load.pl "$PORT" "$K" 32 3600 gpt-4o-mini & load=$!
	done=0 killed=0
	while [ $done -lt "$1" ]; do
		sleep 0.3
		done=$(grep -c '"event":"request"' "$D/provider.log")
		[ $killed -ge "$2" ] ||
		    [ $done -le $(((killed + 1) * $1 / ($2 + 1))) ] || slay
	done
	kill $load; pkill -P $load; wait $load 2>/dev/null
	gw_stop
	for _ in $(seq 600); do [ -s "$D/result" ] && break; sleep 0.1; done
	result=$(cat "$D/result" 2>/dev/null)
}
field() { printf '%s\n' "$result" | sed -n "s/.*\\b$1=\\([0-9]*\\).*/\\1/p"; }

t0=$(date +%s)
OUT=$top/obj/ordinary/out
traced "$calls" 8
diag "$result killed=$killed ($(($(date +%s) - t0)) s)"
is "$gw_status" 0 "stops cleanly under the tracer"
[ "$(field calls)" -ge "$calls" ]; ok $? "$(field calls) requests with a credential, $killed roles killed"
is "$(field covered)" "$(field calls)" "the record of each was synced before the first byte"
is "$(field uncovered) $(field unmatched)" "0 0" "none uncovered, none that cannot be matched"
[ "$(field releases)" -ge "$calls" ]; ok $? "$(field releases) credentials left the broker"
is "$(field early)" 0 "each after that sync too"
is "$(field strays)" 0 "and nowhere else did one leave a process"
like "$(verify "$D/state" | tail -n 1)" ': intact$' "the log is intact"
[ ! -s "$D/complaints" ] || sed 's/^/# /' "$D/complaints"

OUT=$top/obj/nosync/out
like "$("$OUT/sbin/keybrokerd" -V)" 'not for service' "the control says that it is not for service"
traced 1000 0
diag "control: $result"
[ "$(field uncovered)" -ge $(($(field calls) * 99 / 100)) ] && [ "$(field calls)" -ge 1000 ]
ok $? "without sync $(field uncovered) of $(field calls) are flagged"
finish
