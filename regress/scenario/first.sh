# SPDX-License-Identifier: ISC
# One call through all roles (S4): the provider's own log shows the prompt's
# random word and the planted key, never ours; the record has the digest of the
# bytes that the provider received.
. regress/scenario/lib.sh
gw_start
word=$(random_word)
out=$(chat gpt-4o-mini "say $word" -i)
like "$out" '^HTTP/1.1 200' "a chat call is answered"
like "$out" "$word" "the answer comes from the provider"
like "$out" '^[Xx]-[Rr]equest-[Ii][Dd]: req_[0-9a-f]{32}' "X-Request-ID"
like "$out" '^[Xx]-[Aa]udit: [0-9a-f]{16}/[0-9]+/[0-9a-f]{64}' "X-Audit names the record"
log=$(cat "$D/provider.log")
like "$log" "$word" "the provider saw the word"
like "$log" "$OKEY" "with the planted provider key"
unlike "$log" 'tp_' "and no key of ours"
out=$(messages claude-haiku-4-5 "say $word too" -i)
like "$out" '^HTTP/1.1 200' "a message is answered"
like "$(grep request "$D/provider.log" | tail -n 1)" "$AKEY" "with the other provider's key"
id=$(printf '%s\n' "$out" | tr -d '\r' | sed -n 's/^[Xx]-[Rr]equest-[Ii][Dd]: req_//p')
sha=$(grep request "$D/provider.log" | tail -n 1 | sed -n 's/.*"sha256":"\([0-9a-f]*\)".*/\1/p')
gw_stop
is "$gw_status" 0 "stops cleanly"
list=$(verify -l "$D/state" 2>&1)
last=$(printf '%s\n' "$list" | tail -n 1)
like "$last" ': intact$' "auditverify says intact"
like "$last" 'intents=2 outcomes=2 orphans=0 open=0' "two intents, two outcomes"
like "$list" "$id" "the request id of the answer stands in the log"
like "$list" "$sha" "so does the digest that the provider logged"
starts=$(printf '%s\n' "$list" | grep -oE 'start_ns[^0-9]*[0-9]+' | sort -u | wc -l)
[ "$starts" -ge 1 ] && [ "$starts" -le 2 ]; ok $? "a worker is named by one start time in all its entries ($starts)"
unlike "$list$(cat "$D/log")" "$OKEY|$AKEY|$K" "no key in log or record"
finish
