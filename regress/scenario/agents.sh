# SPDX-License-Identifier: ISC
# An agent changes: description, owner, scope; suspended, its calls are refused
# with the reason and those that run end, its keys stay; resumed, all is as
# before.  It holds over a restart, and each change is one entry.
. regress/scenario/lib.sh
gw_start
A=$(ctl admin-key)
as() { k=$1; shift; curl -s --max-time 60 -H "Authorization: Bearer $k" -H 'Content-Type: application/json' "$@"; }
ctl agent create bot --description one > /dev/null
K=$(ctl -j key create --agent bot --email dev@example.com | sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
D2=$(ctl -j key create --agent bot --email dev@example.com | sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
is "$(code chat gpt-4o-mini hi)" 200 "its key makes calls"

out=$(as "$A" -X PATCH "$B/agents/bot" -d '{"description":"two","owner_email":"dev@example.com","scope":{"models":["gpt-4o*"]}}')
like "$out" '"description":"two"' "PATCH: description"
like "$out" '"owner_email":"dev@example.com"' "owner"
like "$out" '"scope":\{"models":\["gpt-4o\*"\]\}' "scope"
like "$out" '"active":true' "active"
is "$(code chat gpt-4o-mini hi)" 200 "inside the new scope"
is "$(code chat gpt-3.5-turbo hi)" 403 "outside it"
out=$(as "$A" -X PATCH "$B/v1/agents/bot" -d '{"scope":{}}')
is "$(code chat gpt-3.5-turbo hi)" 200 "without a scope again"
is "$(code as "$A" -X PATCH "$B/agents/bot" -d '{}')" 400 "nothing named"
is "$(code as "$A" -X PATCH "$B/agents/bot" -d '{"suspended":"yes"}')" 400 "strict types"
is "$(code as "$A" -X PATCH "$B/agents/bot" -d '{"framework":"x"}')" 400 "an unknown member"
is "$(code as "$A" -X PATCH "$B/agents/bot" -d '{"owner_email":"nobody"}')" 400 "an address that is none"
is "$(code as "$A" -X PATCH "$B/agents/nosuch" -d '{"suspended":true}')" 404 "an unknown agent"
is "$(code as "$D2" -X PATCH "$B/agents/bot" -d '{"suspended":true}')" 403 "not for its owner"

# suspended in mid-stream, and with the ledger's disk stalled
# for two minutes, if nobody ended it
chat_stream mode-drip-12000-10 x --max-time 120 > "$D/stream" & stream=$!
other=$(new_key)
(K=$other; chat_stream mode-drip-200-10 x > "$D/other") & others=$!
more() { [ "$(grep -c '^data' "$D/stream")" -gt 5 ]; }
soon 60 more
p=$(role_pid ledger)
kill -STOP "$p"
as "$A" -X POST "$B/agents/bot/suspend" > "$D/answer" & asked=$!
t0=$(date +%s%N)
wait $stream
ms=$((($(date +%s%N) - t0) / 1000000))
[ $ms -le 8000 ]; ok $? "its stream ends, although the disk is stalled ($ms ms)"
like "$(tail -n 3 "$D/stream")" 'data: \{"error":.*suspended' "with an error event that says why"
unlike "$(cat "$D/stream")" 'DONE' "and no end as if it were whole"
is "$(wc -c < "$D/answer")" 0 "the answer waits for the disk"
kill -CONT "$p"
wait $asked
like "$(cat "$D/answer")" '"active":false' "and comes"
wait $others
like "$(tail -n 3 "$D/other")" 'DONE' "another agent's stream is not cut"
out=$(chat gpt-4o-mini hi)
like "$out" '"type":"policy_block"' "its calls are blocked by policy"
like "$out" 'agent bot is suspended' "and the reason is told"
is "$(code chat gpt-4o-mini hi)" 403 "403"
like "$(ctl -j agent list)" '"agent":"bot".*"active":"0"' "the list says so"
is "$(code as "$A" -X POST "$B/agents/bot/suspend")" 200 "a second time is the same"

gw_stop
gw_spawn; gw_wait
is "$(code chat gpt-4o-mini hi)" 403 "suspended after a restart, too"
like "$(ctl agent resume bot)" 'bot' "proxyctl agent resume"
is "$(code chat gpt-4o-mini hi)" 200 "its key makes calls again"
is "$(code as "$A" -X POST "$B/api/agents/bot/suspend")" 200 "the form of the described command line"
is "$(code chat gpt-4o-mini hi)" 403 "suspends"
is "$(code as "$A" -X POST "$B/api/agents/bot/activate")" 200 "and activates"
is "$(code chat gpt-4o-mini hi)" 200 "as before"
like "$(ctl agent set bot --models 'gpt-4o*' --description three)" 'three' "proxyctl agent set"
is "$(code chat gpt-3.5-turbo hi)" 403 "limits"
ctl agent set bot --no-scope > /dev/null
is "$(code chat gpt-3.5-turbo hi)" 200 "and takes the limit away"
gw_stop
verify -l "$D/state" > "$D/list"
for t in "agent.edit 4" "agent.suspend 2" "agent.resume 2"; do
	is "$(grep -c "^entry [0-9]* admin.${t% *} " "$D/list")" "${t#* }" "${t% *}: one entry a change"
done
unlike "$(cat "$D/list")" 'example.com' "no address in the log"
like "$(tail -n 1 "$D/list")" 'intact$' "intact"
finish
