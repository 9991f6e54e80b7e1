# SPDX-License-Identifier: ISC
# Keys: unknown, mistyped, expired, revoked, foreign; each dialect's own body;
# authentication comes before 404, 405 and 426.
. regress/scenario/lib.sh
gw_start
get() { curl -s --max-time 60 -i "$@"; }
J='{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}]}'
try() {	# KEY [ARGS]
	k=$1; shift
	curl -s --max-time 60 -i "$B/v1/chat/completions" -H "Authorization: Bearer $k" -H 'Content-Type: application/json' -d "$J" "$@"
}
out=$(get "$B/v1/chat/completions" -d "$J")
like "$out" '^HTTP/1.1 401' "no key"
like "$out" '"code": *"invalid_api_key"' "OpenAI body"
like "$out" '^[Xx]-[Ss]hould-[Rr]etry: false' "x-should-retry: false"
like "$(get "$B/v1/messages" -d '{}')" '"type": *"error".*authentication_error' "Anthropic body"
out=$(try sk-abcdefghijklmnop)
like "$out" 'provider key' "a provider's key is told from ours"
unlike "$out" 'sk-abcdef' "and not repeated"
flip=$(printf %s "$K" | sed 's/.$/'"$([ "${K#"${K%?}"}" = a ] && echo b || echo a)"'/')
like "$(try "$flip")" '^HTTP/1.1 401' "a flipped character"
like "$(try "$(printf %s "$K" | cut -c1-40)")" '^HTTP/1.1 401' "a cut key"
unknown=tp_dev_AAAAAAAAAAAA_0123456789012345678901234567890123456789012aaaaaa
like "$(try $unknown)" '^HTTP/1.1 401' "an unknown key"
like "$(try "$K")" '^HTTP/1.1 200' "the right one"
like "$(try sk-real -H "x-api-key: $K")" '^HTTP/1.1 200' "ours among two"
K2=$(new_key)
like "$(try "$K2" -H "x-api-key: $K")" '^HTTP/1.1 401' "two of ours that differ"
E=$(new_key --expires-at +20)
like "$(try "$E")" '^HTTP/1.1 200' "a key before its expiry"
# Two seconds are two seconds at the very end of one, too.
refused=0
for ms in 994 995 996 997 998 999; do
	perl -MTime::HiRes=time,sleep -e '$t = time; $w = '$ms'/1000 - ($t - int $t); sleep($w < 0 ? $w + 1 : $w)'
	[ -n "$(new_key --expires-at +2)" ] || refused=$((refused + 1))
done
is "$refused" 0 "an expiry in 2 s is taken wherever in a second it is asked for"
id=$(ctl -j key list | sed -n 's/.*"key_id":"\(dk_'"$(printf %s "$K2" | cut -c8-19)"'\)".*/\1/p')
out=$(ctl key revoke "$id"); is $? 0 "revoke"
like "$(try "$K2")" '^HTTP/1.1 401' "a revoked key"
like "$(try "$K2")" 'revoked' "which it says"
# order
is "$(code curl -s "$B/nosuch")" 401 "unknown path without a key: 401"
is "$(code curl -s "$B/nosuch" -H "x-api-key: $K")" 404 "with one: 404"
out=$(get "$B/v1/chat/completions" -H "Authorization: Bearer $K")
like "$out" '^HTTP/1.1 405' "GET on a POST route: 405"
like "$out" '^[Aa]llow: .*POST' "with Allow"
is "$(code curl -s "$B/v1/chat/completions")" 401 "without a key: 401"
is "$(code curl -s "$B/v1/responses" -H 'Connection: upgrade' -H 'Upgrade: websocket' -H "x-api-key: $K" --http1.1)" 426 "websocket: 426"
is "$(code curl -s "$B/v1/responses" -H "x-api-key: $K")" 405 "without upgrade: 405"
# administration over HTTP
A=$(ctl admin-key)
adm() { curl -s --max-time 60 -H "Authorization: Bearer $A" -H 'Content-Type: application/json' "$@"; }
like "$(adm -i "$B/agents" -d '{"agent_id":"research-bot"}')" '^HTTP/1.1 20[01]' "POST /agents"
out=$(adm "$B/agents/research-bot/developer-keys" -d '{"developer_email":"a@b.example","expires_days":90}')
like "$out" '"api_key": *"tp_dev_' "POST developer-keys answers a key"
N=$(printf %s "$out" | sed -n 's/.*"api_key": *"\([^"]*\)".*/\1/p')
like "$(try "$N")" '^HTTP/1.1 200' "which works"
kid=$(printf %s "$out" | sed -n 's/.*"key_id": *"\([^"]*\)".*/\1/p')
like "$(adm "$B/v1/agents/research-bot/developer-keys")" "$kid" "GET lists it, with /v1 too"
is "$(code adm -X DELETE "$B/agents/research-bot/developer-keys/$kid")" 200 "DELETE"
like "$(try "$N")" '^HTTP/1.1 401' "and it is gone"
is "$(code adm "$B/agents/nobody/developer-keys" -d '{"developer_email":"a@b.example","expires_days":9}')" 404 "unknown agent: 404"
is "$(code adm "$B/agents/research-bot/developer-keys" -d '{"developer_email":"a@b.example","expires_days":366}')" 400 "366 days: 400"
is "$(code adm "$B/agents/research-bot/developer-keys" -d '{"developer_email":"a@b.example","expires_days":9,"x":1}')" 400 "unknown field: 400"
is "$(code adm "$B/agents/research-bot/developer-keys" -d '{"developer_email":"a@b","developer_email":"c@d","expires_days":9}')" 400 "member twice: 400"
is "$(code curl -s "$B/agents" -H "x-api-key: $K" -H 'Content-Type: application/json' -d '{"agent_id":"mine"}')" 403 "a developer key makes no agents"
unlike "$(curl -s "$B/agents" -H "x-api-key: $K")" 'research-bot' "and sees its own only"
soon 60 sees '^HTTP/1.1 401' try "$E"
out=$(try "$E")
like "$out" '^HTTP/1.1 401' "the key after its expiry"
like "$out" 'expired' "which it says"
gw_stop
list=$(verify -l "$D/state")
like "$list" 'auth.fail' "guesses are in the log, aggregated"
like "$list" 'key.revoke' "and the revocations"
like "$(printf '%s\n' "$list" | tail -n 1)" 'intact$' "intact"
finish
