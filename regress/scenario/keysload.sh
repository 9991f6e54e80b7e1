# SPDX-License-Identifier: ISC
# Many agents and keys in a real database: made, kept over a restart, found,
# listed.  A smoke here; make keys-load runs it with 10,000 and 100,000.
. regress/scenario/lib.sh
agents=${AGENTS:-300} keys=${KEYS:-3000}
gw_start
A=$(ctl admin-key)
t0=$(date +%s%N)
perl regress/scenario/keysload.pl "$PORT" "$A" "$agents" "$keys" 32 > "$D/some"
is $? 0 "$agents agents and $keys keys are made"
diag "in $((($(date +%s%N) - t0) / 1000000)) ms"
gw_stop
t0=$(date +%s%N)
gw_spawn; gw_wait; is $? 0 "the gateway starts with them"
diag "it serves after $((($(date +%s%N) - t0) / 1000000)) ms; broker $(awk '/^VmRSS/ { print $2 }' /proc/"$(role_pid broker)"/status) KiB, ledger $(awk '/^VmRSS/ { print $2 }' /proc/"$(role_pid ledger)"/status) KiB, database $(du -k "$D/state/ledger" | cut -f1) KiB"
bad=0
while read -r K; do
	[ "$(code chat gpt-4o-mini hi)" = 200 ] || bad=$((bad + 1))
done < "$D/some"
is $bad 0 "one key in a thousand, $(wc -l < "$D/some") in all: each makes a call"
pages() {	# PATH MEMBER: the values of a member on all pages
	cursor=
	while :; do
		curl -s "$B$1?limit=5000${cursor:+&cursor=$cursor}" -H "Authorization: Bearer $A" > "$D/page"
		grep -oE "\"$2\":\"[^\"]*\"" "$D/page"
		cursor=$(sed -n 's/.*"cursor_next":"\([0-9]*\)".*/\1/p' "$D/page")
		[ -n "$cursor" ] || break
	done
}
is "$(pages /agents agent_id | sort -u | wc -l)" $((agents + 1)) "the list of agents pages through all of them"
is "$(pages /agents agent_id | wc -l)" $((agents + 1)) "each once"
is "$(pages /agents/a0/developer-keys key_id | sort -u | wc -l)" $((keys / agents)) "an agent's keys are listed"
is "$(ctl -j key list | grep -c '"agent":"a')" "$keys" "proxyctl key list has all of them"
gw_stop
like "$(verify "$D/state" | tail -n 1)" 'intact$' "intact"
finish
