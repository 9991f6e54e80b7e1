# SPDX-License-Identifier: ISC
# A revoked key's streams end with an error event, within 50 ms, whether or not
# the ledger's disk answers; nobody else's do.  Expiry at the second.  The 50 ms
# are the gateway's: revoke.pl takes off what the machine withheld meanwhile.
. regress/scenario/lib.sh
gw_start
A=$(ctl admin-key)
value() { sed -n "s/^$1 //p" "$D/out"; }
for mode in quiet stalled; do
	[ $mode = quiet ] && pid= || pid=$(role_pid ledger)
	perl regress/scenario/revoke.pl "$PORT" "$A" 100 $pid > "$D/out" 2>&1
	sed "s/^/# $mode: /" "$D/out"
	is "$(value open)" 200 "$mode: 200 streams are open"
	r=$(value revoked)
	[ "${r:-0}" -ge 50 ]; ok $? "$mode: $r keys revoked, one after the other"
	awk "BEGIN { exit !($(value p99_ms) <= 50) }"; ok $? "$mode: last byte within $(value p99_ms) ms at p99 (by the clock $(value clock_p99_ms))"
	is "$(value error_events)" "$r" "$mode: each stream has an error event"
	is "$(value false_ends)" 0 "$mode: none ends as if it were whole"
	is "$(value others_cut)" 0 "$mode: the others go on"
	is "$(value answered)" "$r" "$mode: each revocation is answered"
	[ $mode = quiet ] || is "$(value stalled_answers)" 0 "and not before it is durable"
done
# expiry in mid-stream, to the second
t0=$(date +%s%N)
K=$(new_key --expires-at +8)
out=$(chat_stream mode-drip-4000-200 x --max-time 120)
ms=$((($(date +%s%N) - t0) / 1000000))
[ $ms -gt 6900 ] && [ $ms -lt 60000 ]; ok $? "a stream ends when its key expires (after $ms ms)"
like "$out" 'data: \{"error":.*expired' "with an error event that says so"
# grace of a rotation
K=$(new_key)
id=dk_$(printf %s "$K" | cut -c8-19)
chat_stream mode-drip-4000-200 x --max-time 120 > "$D/stream" & s=$!
soon 30 [ -s "$D/stream" ]
NEW=$(ctl -j key rotate "$id" --grace 2 | sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
wait $s
like "$(cat "$D/stream")" 'data: \{"error":.*revoked' "the replaced key's stream ends with its grace"
is "$(code chat gpt-4o-mini x)" 401 "and it is refused"
K=$NEW; is "$(code chat gpt-4o-mini x)" 200 "the new one is not"
# a worker's guesses are slowed, others are not
bad=tp_dev_AAAAAAAAAAAA_0123456789012345678901234567890123456789012aaaaaa
t0=$(date +%s%N)
pids=
for _ in $(seq 60); do
	curl -s --max-time 120 -o /dev/null "$B/v1/models" -H "x-api-key: $bad" & pids="$pids $!"
done
sleep 0.2
t1=$(date +%s%N)
is "$(code chat gpt-4o-mini x)" 200 "a good key is served meanwhile"
ms=$((($(date +%s%N) - t1) / 1000000))
[ $ms -lt 20000 ]; ok $? "at once ($ms ms, target 50)"
wait $pids
ms=$((($(date +%s%N) - t0) / 1000000))
[ $ms -ge 900 ]; ok $? "60 guesses wait ($ms ms)"
gw_stop
list=$(verify -l "$D/state")
ids=$(printf '%s\n' "$list" | sed -n '/^entry [0-9]* key.revoke /,/change.id/s/.*change.id="\(dk_[^"]*\)"/\1/p')
is "$(printf '%s\n' "$ids" | sort | uniq -d | wc -l)" 0 "one entry a revocation"
[ "$(printf '%s\n' "$ids" | wc -l)" -ge 150 ]; ok $? "and each has one"
like "$(printf '%s\n' "$list" | tail -n 1)" 'intact$' "intact"
finish
