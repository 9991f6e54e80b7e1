# SPDX-License-Identifier: ISC
# Stopping: running streams end within the grace, a second signal ends it at
# once; what was killed comes back with its orphans in the record.
. regress/scenario/lib.sh
EXTRA_P='grace 120'
gw_start
K0=$K

# stream N MS FILE: in the background, its pid in $spid
stream() { chat_stream "mode-drip-$1-$2" x --max-time 300 > "$3" 2>&1 & spid=$!; }
began() { soon 60 [ -s "$1" ]; }
# A zombie is dead.
alive() {
	case $(sed -n 's/^State:[[:space:]]*//p' /proc/"$1"/status 2>/dev/null) in
	''|Z*) return 1 ;;
	esac
}
alive_of() { for a in "$@"; do alive "$a" && printf ' %s' "$a"; done; }
# ended PID SECONDS: 0 if it ended by itself in time; its status in $est
ended() {
	for _ in $(seq $(($2 * 20))); do
		alive "$1" || { wait "$1"; est=$?; return 0; }
		sleep 0.05
	done
	est=running; return 1
}
again() { gw_pid=; gw_spawn; gw_wait; ok $? "it starts again: $1"; }

stream 80 100 "$D/s1"; began "$D/s1"; ok $? "a stream runs"
tree=$(gw_tree)
kill -TERM "$gw_pid"
refuses() { [ "$(code curl -s --max-time 2 "$B/health/live")" = 000 ]; }
soon 60 refuses; ok $? "SIGTERM: it takes nobody new"
alive "$gw_pid"; ok $? "and waits for the stream"
ended $spid 60; ok $? "the stream ends"
is "$est" 0 "whole"
like "$(cat "$D/s1")" '\[DONE\]' "with [DONE]"
ended "$gw_pid" 60; ok $? "then the gateway"
is "$est" 0 "cleanly"
is "$(alive_of $tree)" '' "no process is left"
list=$(verify -l "$D/state" 2>&1)
like "$(printf '%s\n' "$list" | tail -n 1)" 'orphans=0 open=0 .*intact$' "no orphan"
is "$(printf '%s\n' "$list" | grep '^entry ' | tail -n 1 | cut -d ' ' -f 3)" shutdown "the last entry is the shutdown"

again "after a clean stop"
K=$K0
is "$(code chat gpt-4o-mini hi)" 200 "the old key works"
stream 4000 50 "$D/s2"; began "$D/s2"
kill -TERM "$gw_pid"; sleep 0.3; t=$(date +%s%N)
kill -TERM "$gw_pid"
ended "$gw_pid" 60; ok $? "a second signal ends it before the grace is over"
is "$est" 0 "cleanly"
diag "after $((($(date +%s%N) - t) / 1000000)) ms"
ended $spid 30; ok $? "the stream is cut"
unlike "$est" '^0$' "its framing is not completed (curl $est)"
like "$(tail -n 4 "$D/s2")" '"error"' "after an error event"
unlike "$(cat "$D/s2")" '\[DONE\]' "and no [DONE]"
like "$(verify "$D/state" | tail -n 1)" 'orphans=0 open=0 .*intact$' "its outcome is recorded"

sed -i 's/^grace .*/grace 8/' "$D/conf/proxyd.conf"
again "after a hurried stop"
stream 4000 50 "$D/s3"; began "$D/s3"
out=$(ctl stop 2>&1); is $? 0 "proxyctl stop"
t=$(date +%s)
ended "$gw_pid" 60; ok $? "the grace ends a stream without end"
t=$(($(date +%s) - t)); [ $t -ge 7 ]; ok $? "not before it is over ($t s)"
ended $spid 30
like "$(tail -n 4 "$D/s3")" '"error"' "with an error event"
like "$(verify "$D/state" | tail -n 1)" 'orphans=0 open=0 .*intact$' "recorded as well"

again "after proxyctl stop"
# kill -9 of the parents with calls under way: everything goes
for victim in proxyd keybrokerd; do
	stream 4000 20 "$D/s4"; began "$D/s4"
	tree=$(gw_tree)
	kill -9 "$(role_pid $victim)"
	t=$(date +%s%N)
	for _ in $(seq 600); do
		left=$(alive_of $tree)
		[ -z "$left" ] && break
		sleep 0.05
	done
	is "$left" '' "kill -9 of $victim: all are gone"
	diag "after $((($(date +%s%N) - t) / 1000000)) ms, wanted within 2 s"
	for p in $left; do kill -9 "$p"; done
	wait "$gw_pid" 2>/dev/null
	ended $spid 30; unlike "$est" '^0$' "the stream is broken"
	again "after kill -9 of $victim"
	is "$(code chat gpt-4o-mini hi)" 200 "the old key works"
	# The broker outlives proxyd long enough to settle its calls.
	[ $victim = proxyd ] || like "$(ctl status)" 'orphans 1' "the orphan is counted"
done
gw_stop
list=$(verify -l "$D/state")
last=$(printf '%s\n' "$list" | tail -n 1)
like "$last" 'orphans=[12] open=0 .*intact$' "its entry is in the record, nothing is open"
is "$(printf '%s\n' "$list" | grep -c '^entry .* call.orphan ')" \
    "$(printf '%s\n' "$last" | sed 's/.*orphans=\([0-9]*\).*/\1/')" "as call.orphan"
is "$(printf '%s\n' "$list" | grep -c '^entry .* boot ')" 6 "six starts"
finish
