# SPDX-License-Identifier: ISC
# Many stored values: imported, sealed anew behind rotations of the vault key
# while calls go on, with kill -9 of broker and ledger at random moments, and
# then each of them opened by a program of its own and compared with what the
# test kept (S19).  make sweep VALUES=1000000 KILLS=100 is the campaign.
. regress/scenario/lib.sh
LC_ALL=C; export LC_ALL
n=${VALUES:-20000} kills=${KILLS:-4} secs=${SECS:-4}
check=$top/out/regress/sweepcheck
gw_start
ms() { echo $(($(date +%s%N) / 1000000)); }
kid() { ctl status | sed -n 's/^vault key \([a-z2-7]\{13\}\).*/\1/p' | head -n 1; }
passes() { grep -c 'sweep: .* values sealed anew' "$D/log"; }
await_sweep() {	# PASSES SECONDS
	for _ in $(seq $(($2 * 5))); do
		[ "$(passes)" -gt "$1" ] && return 0
		sleep 0.2
	done
	return 1
}
rotated() { ctl vault rotate > "$D/o" 2>&1; }
rotate() {
	cp "$D/vault.key" "$D/old.key"
	head -c 32 /dev/urandom | base64 > "$D/new.key"; chmod 400 "$D/new.key"
	mv "$D/new.key" "$D/vault.key"
	soon 60 rotated
}
# Another's view of the rows: a copy taken while the ledger stands still.
copy() { rm -rf "$D/copy"; mkdir "$D/copy"; cp "$D/state/ledger/ledger.db"* "$D/copy/"; }
under() {	# KID: rows under it and under others
	sqlite3 -separator ' ' "$D/copy/ledger.db" "SELECT ifnull(sum(CAST(substr(value, 4, 13) AS TEXT) = '$1'), 0), \
	    ifnull(sum(CAST(substr(value, 4, 13) AS TEXT) <> '$1'), 0) FROM state WHERE kind = 128"
}
latency() { "$top/out/regress/load" -p "$PORT" -c 1 -d "$1" -w 500 -k "$K" -m gpt-4o-mini | tail -n 1; }
col() { echo "$1" | cut -d, -f"$2"; }

# --- import
"$check" gen "$D/vault.key" "$n" "$D/list" > "$D/lines"
t0=$(ms); ctl vault import "$D/lines" > "$D/o" 2>&1; rc=$?; t1=$(ms)
ok $rc "import of $n values: $((t1 - t0)) ms"
is "$(cat "$D/o")" "$n values stored" "and it says how many"
{ sed -n 1,2p "$D/lines"; echo; printf 'X\tv1:AAAABBBBCCCCDDDDEEEEFFFFAAAABBBBCCCCDDDDEEEEFFFF\n'; sed -n 3p "$D/lines"; } | ctl vault import > "$D/o" 2>&1
is "$?" 1 "a ciphertext of nobody ends an import"
like "$(cat "$D/o")" 'line 4: .*; 2 values before it' "its line is named, and what is stored"
is "$(ctl audit tail --lines 40 | grep -c 'vault.import')" 2 "each import has one entry"
like "$(ctl secret list)" "VALUE_0000099 .*and $((n - 100)) more" "the list shows a hundred names and how many more"
printf sk-free | ctl secret set FREE_KEY > "$D/o"; like "$(cat "$D/o")" stored "a name that no provider uses is stored"
ctl secret delete FREE_KEY > /dev/null; ok $? "and deleted"
ctl secret delete FREE_KEY > /dev/null 2>&1; is $? 3 "once"

# --- a provider begins to use a stored value
cat >> "$D/conf/keybrokerd.conf" <<END
provider extra {
	dialect openai
	url "http://127.0.0.1:$PPORT/v1"
	key env VALUE_0000007
}
END
ctl reload; value=$(sed -n 's/^VALUE_0000007	//p' "$D/list")
soon 30 serves 200 extra/gpt-4o-mini
like "$(cat "$D/provider.log")" "Bearer $value" "a value serves when the configuration names it, without a restart"
grep -v '^VALUE_0000007	' "$D/list" > "$D/list.cold"; n=$((n - 1))

# --- a sweep beside calls
idle=$(latency "$secs")
before=$(passes); t0=$(ms)
rotate; ok $? "rotation"
during=$(latency "$secs")
await_sweep "$before" 200; ok $? "the sweep ends: $(($(ms) - t0)) ms for $n values (target 120000 for 1,000,000)"
like "$(tail -n 20 "$D/log")" "sweep: $n values sealed anew, 0 that do not open" "all of them"
after=$(latency "$secs")	# others use this machine as well: idle is said twice
diag "idle again: p50 $(col "$after" 4) us, p99 $(col "$after" 5) us, load $(cut -d" " -f1 /proc/loadavg)"
diag "a call, idle then during: p50 $(col "$idle" 4) $(col "$during" 4) us, p99 $(col "$idle" 5) $(col "$during" 5) us" \
    "(ratio p50 $(echo "$(col "$during" 4) $(col "$idle" 4)" | awk '{ printf "%.2f", $1 / $2 }')," \
    "p99 $(echo "$(col "$during" 5) $(col "$idle" 5)" | awk '{ printf "%.2f", $1 / $2 }'), target 1.10); load $(cut -d' ' -f1 /proc/loadavg)"
[ "$(col "$during" 2)" = 0 ]; ok $? "no call failed meanwhile"
sweeping() { ctl status 2>/dev/null | grep -q '^sweep '; }
swept() { ctl status > "$D/o" 2>/dev/null && ! grep -q '^sweep ' "$D/o"; }
soon 30 swept; unlike "$(ctl status)" 'sweep [0-9]' "status has no sweep any more"

# --- kill -9 while it sweeps
LOAD_OUT=$D/load; export LOAD_OUT; : > "$LOAD_OUT"
perl regress/scenario/load.pl "$PORT" "$K" 2 36000 gpt-4o-mini & load=$!
both=0 killed=0 longest=$((n / 12))
[ $longest -le 2500 ] || longest=2500
stands() { [ ! -e "/proc/$1/status" ] || has "/proc/$1/status" '^State:.[TZ]'; }
# What stands still is looked at before it is killed: a slow script may come
# when all is done, and such a kill is one too many, not one of those wanted.
while [ $both -lt "$kills" ] && [ $killed -lt $((kills * 3 + 5)) ]; do
	[ $((killed % 2)) = 0 ] && role=broker || role=ledger
	if ! sweeping; then
		[ "$killed" = 0 ] || await_sweep "$mark" 200
		mark=$(passes); rotate || break
	fi
	now=$(kid)
	sleep "$(shuf -i 100-$longest -n 1 | awk '{ print $1 / 1000 }')"
	l=$(role_pid ledger) p=$(role_pid $role)
	[ -n "$l" ] && [ -n "$p" ] || continue
	kill -STOP "$l" 2>/dev/null || continue
	soon 30 stands "$l"
	copy; kill -9 "$p"; [ "$p" = "$l" ] || kill -CONT "$l"
	killed=$((killed + 1))
	u=$(under "$now"); [ "${u% *}" -gt 0 ] && [ "${u#* }" -gt 0 ] && both=$((both + 1))
	soon 120 serves 200
	# a role's deaths are forgiven by 5 s of life each
	sleep 2.6
done
kill $load 2>/dev/null; pkill -P $load 2>/dev/null; wait $load 2>/dev/null
[ "$killed" -ge "$kills" ]; ok $? "broker and ledger killed $killed times"
is $both "$kills" "$both times while rows were under both keys"
soon 300 swept; soon 120 serves 200
is "$(code chat gpt-4o-mini after)" 200 "the gateway serves"
now=$(kid)
gw_stop
is "$gw_status" 0 "clean stop"
last=$(verify "$D/state" 2>&1 | tail -n 1); like "$last" ': intact$' "auditverify: $last"
e=$(verify -l "$D/state" 2>&1 | grep -c '^entry .*admin\.vault\.sweep')
[ "$e" -ge 1 ] && [ "$e" -le "$(passes)" ]; ok $? "the log has an entry for each pass ($e, $(passes) begun to be written)"
"$check" check "$D/state/ledger/ledger.db" "$D/list.cold" "$D/vault.key" "$D/old.key" > "$D/o" 2>&1
ok $? "every value opens, and is what it was: $(tail -n 1 "$D/o")"
like "$(cat "$D/o")" "good $n bad 0 $now $n" "all under the key in force"
is "$(sqlite3 "$D/state/ledger/ledger.db" "SELECT count(*) FROM state WHERE kind = 2 AND CAST(id AS TEXT) LIKE 'dek/%'")" 0 "no previous key is left"
printf 'VALUE_0000001\tnot this\n' > "$D/wrong"
"$check" check "$D/state/ledger/ledger.db" "$D/wrong" "$D/vault.key" > /dev/null 2>&1; is $? 1 "the check notices a wrong value"
finish
