# SPDX-License-Identifier: ISC
# SIGHUP under load: no connection lost; a bad file changes nothing; the new
# policy serves; streams that run finish.
. regress/scenario/lib.sh
gw_start
load() {	# N: calls one after the other, failures into a file
	i=0
	while [ $i -lt "$1" ]; do
		c=$(code chat gpt-4o-mini "n $i")
		[ "$c" = 200 ] || echo "$c" >> "$D/failed"
		i=$((i + 1))
	done
}
: > "$D/failed"
chat_stream mode-drip-60-100 hi --max-time 120 > "$D/stream" & sp=$!
soon 30 [ -s "$D/stream" ]
load 150 & l1=$!
load 150 & l2=$!
for _ in 1 2 3 4 5; do kill -HUP "$gw_pid"; sleep 0.6; done
wait $l1; wait $l2
is "$(wc -l < "$D/failed" | tr -d ' ')" 0 "300 calls through 5 reloads: none failed"
wait $sp
like "$(cat "$D/stream")" '^data: \[DONE\]' "a stream begun before finishes"
sed -i 's/^workers.*/workers 99/' "$D/conf/proxyd.conf"
kill -HUP "$gw_pid"
soon 30 has "$D/log" 'proxyd.conf:[0-9]+: workers'
like "$(cat "$D/log")" 'proxyd.conf:[0-9]+: workers' "a bad file is named"
is "$(code chat gpt-4o-mini hi)" 200 "and changes nothing"
sed -i 's/^workers.*/workers 2/' "$D/conf/proxyd.conf"
echo 'model "fresh-*" openai' >> "$D/conf/keybrokerd.conf"
is "$(code chat fresh-model hi)" 404 "a model that no row has"
ctl reload; is $? 0 "proxyctl reload"
soon 30 serves 200 fresh-model
is "$(code chat fresh-model hi)" 200 "after the reload its row serves"
gw_stop
is "$gw_status" 0 "clean stop"
list=$(verify -l "$D/state")
[ "$(printf '%s\n' "$list" | grep -c 'policy.load')" -ge 2 ]; ok $? "each policy is in the log"
like "$(printf '%s\n' "$list" | tail -n 1)" 'orphans=0 open=0 .*intact$' "intact"
finish
