# SPDX-License-Identifier: ISC
# The provider's key is rotated again and again under load (S17).  The provider
# accepts the current and the previous key only; no call fails; a stream that
# began under a key ends under it.  ROTATIONS: how many (default 100).
. regress/scenario/lib.sh
n=${ROTATIONS:-100} conc=${CONCURRENCY:-32}
S=$D/volume; mkdir -m 700 "$S"
key() { echo "sk-rotated-$1-$seed"; }
seed=$(random_word)
put() { printf '%s\n' "$(key "$1")" > "$S/.new"; mv "$S/.new" "$S/OPENAI_API_KEY"; }
accept() { { key "$1"; key "$2"; } > "$D/keys.new"; mv "$D/keys.new" "$D/keys"; }
put 0; accept 0 0
OKEY= EXTRA_K="secrets directory \"$S\""
provider_start -K "$D/keys"
gw_start
LOAD_OUT=$D/load; export LOAD_OUT; : > "$LOAD_OUT"
perl regress/scenario/load.pl "$PORT" "$K" "$conc" 36000 gpt-4o-mini & load=$!
soon 30 [ -s "$LOAD_OUT" ]
t0=$(date +%s%3N) unseen=0 worst=0
for i in $(seq "$n"); do
	accept "$((i - 1))" "$i"		# both, while the new one goes round
	if [ $((i % 20)) = 1 ]; then
		chat_stream mode-drip-40-20 x --max-time 120 > "$D/stream.$i" & streams="${streams:-} $!"
		soon 30 [ -s "$D/stream.$i" ]
	fi
	a=$(date +%s%3N); put "$i"
	for _ in $(seq 1500); do
		grep -q "$(key "$i")\"" "$D/provider.log" && break
		sleep 0.02
	done
	b=$(($(date +%s%3N) - a)); [ $b -le $worst ] || worst=$b
	grep -q "$(key "$i")\"" "$D/provider.log" || unseen=$((unseen + 1))
done
took=$(($(date +%s%3N) - t0))
kill "$load"; wait "$load" 2>/dev/null
wait ${streams:-}
total=$(wc -l < "$LOAD_OUT") failed=$(grep -vc '^200 ' "$LOAD_OUT")
is "$failed" 0 "$n rotations, $total calls at c=$conc: none failed"
[ "$total" -ge "$n" ]; ok $? "there was load"
is "$unseen" 0 "the provider saw all $n keys"
bad=0 count=0
for f in "$D"/stream.*; do
	i=${f##*.}; count=$((count + 1))
	grep -q '\[DONE\]' "$f" || bad=$((bad + 1))
	grep 'mode-drip-40-20' "$D/provider.log" | grep -q "$(key $((i - 1)))\"" || bad=$((bad + 1))
done
is "$bad" 0 "$count streams ended under the key they began with"
[ "$worst" -le 15000 ]; ok $? "each key was at the provider soon after the file changed"
diag "$n rotations in $took ms; file changed to first call with the new key: at most $worst ms"
diag "second attempts: $(ctl status | sed -n 's/^second attempts //p')"
gw_stop
like "$(verify "$D/state" 2>&1)" 'open=0 .*: intact$' "auditverify: intact, nothing open"
finish
