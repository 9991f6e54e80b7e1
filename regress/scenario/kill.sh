# SPDX-License-Identifier: ISC
# kill -9 of roles in random order under load (S6): the log verifies, every call that
# reached the provider is in exactly one intent, an answered call's record is
# there, and the gateway serves again.  KILLS=n kills in all (default 100).
. regress/scenario/lib.sh
LC_ALL=C; export LC_ALL
kills=${KILLS:-100}
gw_start
LOAD_OUT=$D/load; export LOAD_OUT; : > "$LOAD_OUT"
# Enough load for the whole campaign; ended when it is over.
perl regress/scenario/load.pl "$PORT" "$K" 16 $((kills * 60)) gpt-4o-mini & load=$!
back() {	# until a call is answered again, a minute at most: ms
	t0=$(date +%s%N) t1=$t0
	until [ $((t1 - t0)) -gt 60000000000 ] ||
	    [ "$(code chat gpt-4o-mini "back $t0 $t1" --max-time 5)" = 200 ]; do
		sleep 0.02
		t1=$(date +%s%N)
	done
	echo $((($(date +%s%N) - t0) / 1000000))
}
there() { p=$(role_pid "$1"); [ -n "$p" ]; }
fds() { ls /proc/"$1"/fd | wc -l; }
sleep 1
n=0
fds0=$(fds "$(role_pid keybrokerd)") pfds0=$(fds "$gw_pid") bfds0=$(fds "$(role_pid broker)")
while [ $n -lt "$kills" ]; do
	for role in $(printf '%s\n' worker egress broker ledger dial export | shuf); do
		soon 60 there $role
		kill -9 "$p" 2>/dev/null && n=$((n + 1)) && echo $role >> "$D/killed"
		back >> "$D/back.$role"
		# a death costs 5 s of life: 6 s a round
		sleep 1.1
	done
done
kill $load 2>/dev/null; pkill -P $load 2>/dev/null; wait $load 2>/dev/null
diag "$n kills; answers: $(awk '{ print $1 }' "$LOAD_OUT" | sort | uniq -c | tr '\n' ' ')"
for role in worker egress broker ledger dial export; do
	k=$(grep -c "^$role" "$D/killed")
	p99=$(sort -n "$D/back.$role" | awk '{ a[NR] = $1 } END { i = int(NR * 0.99 + 0.5); print a[i < 1 ? 1 : i] }')
	[ "$k" -ge $((kills / 6 - 1)) ]; ok $? "$role killed $k times, serving again after at most $p99 ms (p99)"
done
# The target is a second at p99; ten are judged, since the machine may be busy.
most=10000
p99=$(cat "$D"/back.* | sort -n | awk '{ a[NR] = $1 } END { i = int(NR * 0.99 + 0.5); print a[i < 1 ? 1 : i], a[int((NR + 1) / 2)], a[NR] }')
[ "${p99%% *}" -le $most ]; ok $? "service back: p99, p50, most: $p99 ms (target 1000 at p99)"
is "$(chat gpt-4o-mini after -o "$D/after" -w '%{http_code} ') $(head -c 300 "$D/after")" \
    "200  $(head -c 300 "$D/after")" "the gateway serves"
few() {	# as many descriptors as before, or a few more
	fds1=$(fds "$(role_pid keybrokerd)") pfds1=$(fds "$gw_pid") bfds1=$(fds "$(role_pid broker)")
	[ "$fds1" -le $((fds0 + 8)) ] && [ "$pfds1" -le $((pfds0 + 8)) ] && [ "$bfds1" -le $((bfds0 + 8)) ]
}
soon 30 few
[ "$fds1" -le $((fds0 + 8)) ]; ok $? "no descriptor leaks in keybrokerd ($fds0, then $fds1)"
[ "$pfds1" -le $((pfds0 + 8)) ]; ok $? "nor in proxyd ($pfds0, then $pfds1)"
[ "$bfds1" -le $((bfds0 + 8)) ]; ok $? "nor in the broker ($bfds0, then $bfds1)"
gw_stop
is "$gw_status" 0 "clean stop"
verify -l "$D/state" > "$D/list" 2>&1
last=$(tail -n 1 "$D/list")
like "$last" ': intact$' "auditverify: $last"
orphans=$(printf '%s\n' "$last" | sed -n 's/.*orphans=\([0-9]*\).*/\1/p')
[ "${orphans:-0}" -gt 0 ]; ok $? "the campaign hit the window: $orphans orphans"
again=$(grep -c 'sent again' "$D/log")
[ "$again" -gt 0 ]; ok $? "and $again identical batches were sent again"
# Every digest that the provider logged is in exactly one intent.
sed -n 's/.*"event":"request".*"sha256":"\([0-9a-f]*\)".*/\1/p' "$D/provider.log" | sort > "$D/seen"
perl -ne 'BEGIN { open my $f, "<", $ARGV[0]; while (<$f>) { chomp; $seen{$_}++ } shift }
    if (/call\.intent/ .. /^$/) { while (/\b([0-9a-f]{64})\b/g) { $n{$1}++ if $seen{$1} } }
    END { for (keys %seen) { $miss++ unless $n{$_}; $dup++ if $seen{$_} > 1 } print "missing=", $miss // 0, " repeated=", $dup // 0, " seen=", scalar keys %seen, "\n" }' \
    "$D/seen" "$D/list" > "$D/match"
like "$(cat "$D/match")" '^missing=0 repeated=0' "every call that reached the provider is in the log: $(cat "$D/match")"
# Every 200 answer's request id is in the log.
awk '$1 == 200 { print $2 }' "$LOAD_OUT" | sort -u > "$D/ids"
grep -oE '\b[0-9a-f]{32}\b' "$D/list" | sort -u > "$D/logged"
is "$(comm -23 "$D/ids" "$D/logged" | wc -l | tr -d ' ')" 0 "every answered call is in the log ($(wc -l < "$D/ids" | tr -d ' '))"
finish
