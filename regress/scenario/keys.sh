# SPDX-License-Identifier: ISC
# Exactly one entry for each change (S18): the test keeps its own list of
# acknowledged changes and compares both ways, through kill -9 of broker and
# ledger.  Two admins revoke the same key at once.
. regress/scenario/lib.sh
gw_start
A=$(ctl admin-key)
perl regress/scenario/keys.pl "$PORT" "$A" 300 "$D/acked" > "$D/keys.out" 2>&1 &
load=$!
there() { pid=$(role_pid "$1"); [ -n "$pid" ]; }
for round in 1 2 3 4; do
	sleep 2
	for role in broker ledger; do
		soon 60 there $role
		kill -9 "$pid"
		sleep 0.7
	done
done
enough() { [ "$(cat "$D"/acked.[1-4] | wc -l)" -ge 250 ]; }
soon 120 enough
: > "$D/acked.stop"
wait $load; is $? 0 "changes were made through 8 kills"
sed 's/^/# /' "$D/keys.out"
soon 60 serves 200
is "$(code chat gpt-4o-mini x)" 200 "an old key still works"
gw_stop
verify -l "$D/state" > "$D/list" 2>&1
like "$(tail -n 1 "$D/list")" 'intact$' "intact"
# what the log says: "create dk_x", "revoke dk_x", "agent x"
perl -ne 'if (/^entry \d+ (\S+)/) { $t = $1 } elsif (/change\.id="([^"]+)"/) {
    print "create $1\n" if $t eq "key.add" || $t eq "key.rotate";
    print "revoke $1\n" if $t eq "key.revoke"; print "agent $1\n" if $t eq "admin.agent.create" }' \
    "$D/list" | grep -v -e bootstrap -e "agent default" | sort > "$D/logged"
is "$(uniq -d "$D/logged" | wc -l)" 0 "no change stands in the log twice"
sort "$D/acked" > "$D/acked.s"
is "$(comm -23 "$D/acked.s" "$D/logged" | wc -l)" 0 "each acknowledged change is there ($(wc -l < "$D/acked.s"))"
# what the log has beyond them was asked for, and its answer was lost
sort "$D/acked.asked" > "$D/asked.s"
extra=$(comm -13 "$D/acked.s" "$D/logged" | grep -v '^create' | comm -23 - "$D/asked.s" | wc -l)
is "$extra" 0 "nothing is there that nobody asked for"
n=$(comm -13 "$D/acked.s" "$D/logged" | grep -c '^create')
lost=$(grep -c '^create' "$D/acked.asked")
[ "$n" -le $((lost + 1)) ]; ok $? "$n keys beyond the acknowledged, $lost answers were lost"
[ "$(wc -l < "$D/acked.s")" -ge 200 ]; ok $? "a campaign of size"
finish
