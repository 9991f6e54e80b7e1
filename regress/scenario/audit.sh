# SPDX-License-Identifier: ISC
# The log as administration reads it: every entry exactly once, over a restart,
# from memory and from the exported log, by GET /audit and by proxyctl, and the
# same as auditverify sees.  A flipped byte in a bundle is named and alarms.
. regress/scenario/lib.sh
gw_start
A=$(ctl admin-key)
models() { curl -s -o /dev/null "$B/v1/models?limit=[1-$1]" -H "x-api-key: $K"; }
in_session() { code chat gpt-4o-mini hi -H "x-session-id: $1" > /dev/null; }
in_session walk-1; in_session walk-2; in_session walk-1
models 1100
AUD=$(new_key --role auditor)
gw_stop
gw_spawn; gw_wait
in_session walk-1
models 20

# pages ORDER-ARGS: every row of GET /audit, "index type hash", newest first
pages() {
	cursor=
	for _ in $(seq 100); do
		curl -s "$B/audit?limit=300$1${cursor:+&cursor=$cursor}" \
		    -H "Authorization: Bearer ${2:-$A}" > "$D/page"
		perl -MJSON::PP -0777 -ne '$j = decode_json($_);
		    printf "%d %s %s\n", @$_{qw(index event_type hash)} for @{$j->{data}}' "$D/page"
		cursor=$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->{page}{cursor_next} // ""' "$D/page")
		[ -n "$cursor" ] || break
	done
}
pages "" > "$D/http"
ctl -j audit list | perl -MJSON::PP -ne '$j = decode_json($_);
    printf "%d %s %s\n", @$j{qw(index type hash)}' > "$D/ctl"
ctl -j audit tail --lines 2300 | perl -MJSON::PP -ne '$j = decode_json($_);
    printf "%d %s %s\n", @$j{qw(index type hash)}' > "$D/tailed"
pages "&event_type=key.add" > "$D/added"
pages "&event_type=call.intent&agent_id=default" > "$D/intents"
pages "&event_type=call.outcome&agent_id=default" "$AUD" > "$D/outcomes"
pages "&session_id=walk-1" > "$D/walk"
# The log has no session but its pseudonym, which each row shows.
p=$(curl -s "$B/audit?session_id=walk-1&limit=1" -H "Authorization: Bearer $A" |
    sed -n 's/.*"session_id":"\([0-9a-f]*\)".*/\1/p')
pages "&session_id=$p" "$AUD" > "$D/walked"
pages "&session_id=walk-3" > "$D/nowhere"
pages "&task_id=t1" > "$D/task"
ctl -j audit list --session walk-1 > "$D/ctlwalk"
out=$(curl -s "$B/audit/verify" -H "Authorization: Bearer $A")
like "$out" '"verified":true' "GET /audit/verify: verified"
like "$out" '"chain_intact":true' "intact"
n=$(printf %s "$out" | sed 's/.*"events_checked":\([0-9]*\).*/\1/')
[ "$n" -ge 2200 ]; ok $? "$n exported entries were read and found as they were signed"
like "$(curl -s "$B/health/ready")" '"ledger":"ok"' "ready"
gw_stop
verify -l "$D/state" | perl -ne 'print "$1 $2 " if /^entry (\d+) (\S+)/;
    print "$1\n" if /^\s*leaf[ =]+"?([0-9a-f]{64})/ || /^entry .*\b([0-9a-f]{64})/' > "$D/verify"
last=$(head -n 1 "$D/http" | cut -d' ' -f1)
[ "$last" -ge 2200 ]; ok $? "a log of $((last + 1)) entries"
head -n $((last + 1)) "$D/verify" > "$D/v"
sort -n "$D/http" > "$D/h"
is "$(cmp "$D/h" "$D/v" 2>&1)" "" "GET /audit pages through all of them, each once"
is "$(head -n $((last + 1)) "$D/ctl" | cmp - "$D/v" 2>&1)" "" "proxyctl audit list too"
is "$(tail -n 2300 "$D/ctl" | head -n 2200 | grep -cvxFf - "$D/tailed")" \
    "$(($(wc -l < "$D/tailed") - 2200))" "proxyctl audit tail reaches back over the restart"
is "$(sort -n "$D/added")" "$(grep ' key.add ' "$D/v")" "filter: type"
is "$(wc -l < "$D/intents")" "$(grep -c ' call.intent ' "$D/v")" "filter: agent, of intents"
is "$(cut -d' ' -f2 "$D/walk" | tr '\n' ' ')" \
    'call.outcome call.intent call.outcome call.intent call.outcome call.intent ' \
    "filter: session, its three calls, before and after the restart"
like "$p" '^[0-9a-f]{64}$' "whose pseudonym each row shows"
is "$(cmp "$D/walk" "$D/walked" 2>&1)" "" "and is a filter too"
is "$(wc -l < "$D/ctlwalk" | tr -d ' ')" 6 "proxyctl audit list --session"
is "$(cat "$D/nowhere" "$D/task")" "" "no entry of an unknown session, nor of any task"
is "$(wc -l < "$D/outcomes")" "$(grep -c ' call.outcome ' "$D/v")" "and of outcomes, for an auditor"

# One bit of bundle 3, entry 3 * 256 + 5 or so.
f=$D/state/export/tile/entries/003
cp -p "$f" "$D/good"
perl -e 'open F, "+<", $ARGV[0]; binmode F; seek F, 4000, 0; read F, $c, 1;
    seek F, 4000, 0; print F chr(ord($c) ^ 1)' "$f"
want="entry $(verify "$D/state" 2>/dev/null | sed -n 's/.*broken at \([0-9]*\):.*/\1/p')"
gw_spawn; gw_wait
verified() {
	out=$(curl -s "$B/audit/verify" -H "Authorization: Bearer $A")
	case $out in *"\"verified\":$1"*) ;; *) return 1 ;; esac
}
soon 60 verified false
like "$out" '"chain_intact":false' "a flipped bit: not intact"
like "$out" "\"fault\":\"(TAMPER|MALFORMED): $want:" "named by number: $want"
like "$(ctl audit verify)" "$want" "proxyctl audit verify names it"
like "$(curl -s "$B/health/ready")" '"ledger":"damaged"' "readiness says it"
like "$(curl -s "$B/metrics" -H "Authorization: Bearer $A")" '^proxyd_log_damaged 1' "metrics alarm"
like "$(cat "$D/log")" "ALARM: .*$want" "the log of the service too"
is "$(code chat gpt-4o-mini x)" 200 "calls are served: their records are sound"
cp -p "$D/good" "$f"
like "$(curl -s "$B/audit/verify" -H "Authorization: Bearer $A")" '"verified":true' "mended: verified again"
like "$(curl -s "$B/health/ready")" '"ledger":"ok"' "and ready"

# The reader of the log is no part of a call.
p=$(role_pid export)
kill -STOP "$p"
is "$(code chat gpt-4o-mini x)" 200 "export hangs: calls go on"
is "$(curl -s --max-time 60 -o /dev/null -w '%{http_code}' "$B/audit?limit=5" -H "Authorization: Bearer $A")" \
    200 "what is in memory is shown"
is "$(curl -s --max-time 60 -o /dev/null -w '%{http_code}' "$B/audit?cursor=300" -H "Authorization: Bearer $A")" \
    503 "what is not is refused after a while"
kill -9 "$p"
reads() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$B/audit?cursor=300" -H "Authorization: Bearer $A")" = 200 ]; }
soon 60 reads; ok $? "another export serves"
if [ "$(id -u)" = 0 ]; then
	p=$(role_pid export)
	like "$(stat -c '%a %g' "$D/state/export")" "^2750 $(sed -n 's/^Gid:\t\([0-9]*\).*/\1/p' /proc/"$p"/status)\$" \
	    "the exported log is the ledger's, and its group's to read"
	is "$(find "$D/state/export" -perm /o=rwx | wc -l)" 0 "and nobody else's"
fi
gw_stop
like "$(verify "$D/state" | tail -n 1)" 'intact$' "intact"

# A "state directory" that the audited side made up costs the auditor nothing.
mkdir "$D/made" "$D/madetmp"
hostile() {	# NAME: of $D/made/ledger.db and its WAL
	before=$(du -s "$D/madetmp" | cut -f 1)
	TMPDIR=$D/madetmp timeout 120 "$OUT/bin/auditverify" "$D/made" > "$D/made.out" 2>&1
	is "$?$(ls "$D/madetmp")" 2 "$1: refused, nothing is left behind"
	like "$(cat "$D/made.out")" "ledgerdump: $D/made/ledger.db.*: " "$1: said"
	is "$(du -s "$D/madetmp" | cut -f 1)" "$before" "$1: no disk is filled"
	rm -f "$D"/made/*
}
mkfifo "$D/made/ledger.db"; hostile "a fifo"
ln -s /dev/zero "$D/made/ledger.db"; hostile "a link to a device"
truncate -s 2G "$D/made/ledger.db"; hostile "an endless file"
cp "$D/state/ledger/ledger.db" "$D/made/ledger.db"; mkfifo "$D/made/ledger.db-wal"; hostile "a fifo as its WAL"
finish
