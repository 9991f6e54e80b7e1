# SPDX-License-Identifier: ISC
# 10,000 guesses a second from one address, as far as the machine can offer them:
# slowed, nobody else notices, and the log gets a line a minute instead of a line
# a guess.
. regress/scenario/lib.sh
gw_start
A=$(ctl admin-key)
# calls of another address: p50 and most, ms
calls() {
	for _ in $(seq 60); do
		t0=$(date +%s%N)
		[ "$(code chat gpt-4o-mini hi --interface 127.0.0.2)" = 200 ] || echo 99999
		echo $((($(date +%s%N) - t0) / 1000000))
	done | sort -n > "$D/ms"
	echo "$(sed -n 30p "$D/ms") $(tail -n 1 "$D/ms")"
}
quiet=$(calls)
perl regress/scenario/guesses.pl "$PORT" 400 100 120 "$D/stop" > "$D/guesses" & load=$!
sleep 0.5
busy=$(calls)
sleep 2
: > "$D/stop"
wait $load
sed 's/^/# /' "$D/guesses"
value() { sed -n "s/^$1 //p" "$D/guesses"; }
offered=$(value offered)
[ "$offered" -ge 40000 ]; ok $? "$offered guesses written in $(value seconds) s"
# each worker's bucket once, and what leaks of them
most=$(awk "BEGIN { print int(400 + 4 * $(value seconds) + 10) }")
[ "$(value answered)" -le "$most" ]; ok $? "slowed: $(value answered) were answered, $most at most"
diag "others' calls: p50 and most ${quiet% *} and ${quiet#* } ms before, ${busy% *} and ${busy#* } ms meanwhile"
[ "${busy% *}" -le $((${quiet% *} * 5 + 300)) ]; ok $? "others' p50 is much what it was"
[ "${busy#* }" -lt 99999 ]; ok $? "and each of their calls is answered"
gw_stop
verify -l "$D/state" > "$D/list"
n=$(grep -c '^entry [0-9]* auth.fail ' "$D/list")
[ "$n" -ge 1 ] && [ "$n" -le $(awk "BEGIN { print int(3 + $(value seconds) / 30) }") ]; ok $? "$n entries for all of them"
is "$(grep -c '^entry [0-9]* call.intent ' "$D/list")" 120 "and one for each call of the others"
like "$(tail -n 1 "$D/list")" 'intact$' "intact"
finish
