# SPDX-License-Identifier: ISC
# The examples of tappass-api(5) as they are printed, the names in each answer
# compared; then bad input, roles, and the walk of the described product.
. regress/scenario/lib.sh
gw_start
ADMIN_KEY=$(ctl admin-key) HOST=$B
export ADMIN_KEY HOST
names() { grep -oE '"[a-z_]+":' | sort -u | tr '\n' ' '; }
# Blocks of the page: lines "$ command" (continued by \), then the answer.
sed -n '/^\.Bd -literal$/,/^\.Ed$/p' man/tappass-api.5 | sed 's/\\e$/\\/' |
    grep -v '^\.' > "$D/examples"
cmd= want= n=0
run() {
	[ -n "$cmd" ] || return 0
	n=$((n + 1))
	got=$(sh -c "$cmd" 2>&1)
	[ -n "${KEY_ID:-}" ] || KEY_ID=$(printf %s "$got" | sed -n 's/.*"key_id":"\(dk_[^"]*\)".*/\1/p')
	export KEY_ID
	case $want in
	"#"*) like "$got" "^$want" "example $n" ;;
	*) is "$(printf %s "$got" | names)" "$(printf %s "$want" | names)" "example $n: $(printf %s "$cmd" | tr -s ' \\\n' ' ' | cut -c1-60)" ;;
	esac
	cmd= want=
}
more=
while IFS= read -r line; do
	if [ -n "$more" ]; then cmd="$cmd
$line"
	else case $line in
	'$ '*) run; cmd=${line#\$ } ;;
	*) want="$want$line
"; continue ;;
	esac; fi
	case $line in *\\) more=1 ;; *) more= ;; esac
done < "$D/examples"
want=${want%?}
run
is "$n" 12 "all examples were run"
# ---- the described walk (product.md 2), its curl
adm() { curl -s --max-time 60 -H "Authorization: Bearer $ADMIN_KEY" "$@"; }
as() { k=$1; shift; curl -s --max-time 60 -H "Authorization: Bearer $k" "$@"; }
field() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' | head -n 1; }
out=$(curl -s -X POST "$B/agents/research-bot/developer-keys" -H "Authorization: Bearer $ADMIN_KEY" -H 'Content-Type: application/json' -d '{"developer_email":"dev@example.com","expires_days":90}')
N=$(printf %s "$out" | field api_key) id=$(printf %s "$out" | field key_id)
K=$N; like "$(chat gpt-4o-mini hi)" 'choices' "the new key works"
out=$(adm "$B/agents/research-bot/developer-keys" -d '{"developer_email":"aud@example.com","expires_days":9,"role":"auditor"}')
AUD=$(printf %s "$out" | field api_key)
like "$(as "$AUD" "$B/agents/research-bot/developer-keys")" "$id" "an auditor lists it"
out=$(adm -X POST "$B/agents/research-bot/developer-keys/$id/rotate" -d '{"grace_seconds":60}')
R=$(printf %s "$out" | field api_key) rid=$(printf %s "$out" | field key_id)
like "$(chat gpt-4o-mini hi)" 'choices' "the old key lives on for its grace"
K=$R; like "$(chat gpt-4o-mini hi)" 'choices' "the new one works"
out=$(as "$AUD" "$B/audit?event_type=key.rotate&agent_id=research-bot&limit=1")
like "$out" "key $rid.*|replaces $id" "the rotation is in the log"
like "$out" "replaces $id" "and names both keys"
is "$(code adm -X DELETE "$B/agents/research-bot/developer-keys/$id")" 200 "revoke the old one"
K=$N; is "$(code chat gpt-4o-mini hi)" 401 "401"
K=$R
# ---- roles
is "$(code as "$AUD" -d '{"agent_id":"x"}' "$B/agents")" 403 "an auditor makes no agent"
is "$(code as "$AUD" -X DELETE "$B/agents/research-bot/developer-keys/$rid")" 403 "and revokes nothing"
is "$(code as "$AUD" "$B/metrics")" 200 "but reads metrics"
is "$(code as "$AUD" "$B/v1/chat/completions" -d '{"model":"gpt-4o-mini","messages":[]}')" 403 "and makes no calls"
O=$(adm "$B/agents/research-bot/developer-keys" -d '{"developer_email":"ann@example.com","expires_days":9}' | field api_key)
is "$(code as "$O" "$B/agents/research-bot/developer-keys" -d '{"developer_email":"bob@example.com","expires_days":9}')" 201 "the owner makes keys of its agent"
is "$(code as "$N" "$B/agents/research-bot/developer-keys")" 401 "a revoked key administers nothing"
is "$(code as "$R" "$B/agents/research-bot/developer-keys" -d '{"developer_email":"bob@example.com","expires_days":9}')" 403 "another developer does not"
is "$(code as "$R" -X DELETE "$B/agents/research-bot/developer-keys/$(printf %s "$AUD" | sed 's/tp_dev_\(............\).*/dk_\1/')")" 403 "nor ends others' keys"
like "$(as "$R" "$B/api/me")" '"role":"developer"' "/api/me"
G=$(adm "$B/api/agents/onboard" -d '{"agent_id":"onboarded","description":"d","framework":"custom","declared_capabilities":["chat"],"owner_email":"ann@example.com"}' | sed -n 's/.*"api_key":{"api_key":"\([^"]*\)".*/\1/p')
like "$G" '^tp_[0-9A-Za-z]{12}_' "onboarding gives an agent key"
K=$G; like "$(chat gpt-4o-mini hi)" choices "which makes calls"
is "$(code as "$G" "$B/agents")" 403 "and lists nothing"
is "$(code adm "$B/api/agents/onboard" -d '{"agent_id":"onboarded"}')" 409 "twice: 409"
like "$(adm "$B/agents/register" -d '{"agent_id":"registered","framework":"sdk"}')" '"api_key":"tp_' "/agents/register"
# ---- scope
S=$(adm "$B/agents/onboarded/developer-keys" -d '{"developer_email":"s@example.com","expires_days":9,"scope":{"providers":["openai"],"models":["gpt-4o*"],"kinds":["generate"]}}' | field api_key)
K=$S; like "$(chat gpt-4o-mini hi)" choices "inside its scope"
out=$(chat gpt-3.5-turbo hi -i)
like "$out" '^HTTP/1.1 403' "another model: 403"
like "$out" '"type":"policy_block".*"blocked_by":"key_scope"' "policy_block, key_scope"
like "$out" 'model gpt-3.5-turbo is outside' "with the reason"
like "$(messages claude-haiku-4-5 hi -i)" 'HTTP/1.1 403.*|permission_error' "another provider"
is "$(code curl -s "$B/v1/embeddings" -H "Authorization: Bearer $S" -d '{"model":"text-embedding-3-small","input":"x"}')" 403 "another kind"
S=$(adm "$B/agents/onboarded/developer-keys" -d '{"developer_email":"s@example.com","expires_days":9,"scope":{"source_networks":["192.0.2.0/24","2001:db8::/32"]}}' | field api_key)
K=$S; like "$(chat gpt-4o-mini hi)" 'source network 127.0.0.1 is outside' "another network"
is "$(code as "$S" "$B/api/me")" 403 "which holds for administration too"
# ---- bad input: one clear answer each
bad() { is "$(code adm "$B/agents/research-bot/developer-keys" -d "$1")" 400 "$2"; }
long=$(printf 'a%.0s' $(seq 300))
bad '{"developer_email":"'"$long"'@b","expires_days":9}' "e-mail of 300 bytes"
bad '{"developer_email":"a\u0007@b","expires_days":9}' "control character"
bad '{"developer_email":"a@b","expires_days":"9"}' "a number as text"
bad '{"developer_email":"a@b","expires_days":9.5}' "a broken number"
bad '{"developer_email":"a@b","expires_days":0}' "0 days"
bad '{"developer_email":"a@b","expires_days":9,"scope":{"models":[]}}' "empty list in a scope"
bad '{"developer_email":"a@b","expires_days":9,"scope":{"colour":["red"]}}' "unknown part of a scope"
bad '{"developer_email":"a@b","expires_days":9,"scope":{"source_networks":["10.0.0.0/99"]}}' "network of 99 bits"
bad '{"developer_email":"a@b","expires_days":9,"role":"root"}' "unknown role"
bad "$(printf '[%.0s' $(seq 5000))" "deep nesting"
is "$(code adm "$B/audit?since=yesterday")" 400 "a time that is none"
is "$(code adm "$B/audit?limit=5001")" 400 "a limit too high"
is "$(code adm "$B/audit?limit=1&limit=2")" 400 "a parameter twice"
is "$(code adm -X POST "$B/api/admin/llm-keys" -d '{"provider":"openai","api_key":"sk-x"}')" 403 "provider keys do not come over HTTP"
is "$(code as "$K" "$B/audit/stream" -H 'x-request: 1' --max-time 60)" 403 "no tail outside the network"
# ---- the tail
curl -sN --max-time 120 "$B/api/audit/stream?since=1h" -H "Authorization: Bearer $ADMIN_KEY" > "$D/tail" &
tail=$!
soon 60 has "$D/tail" '^event: event'
adm -o /dev/null "$B/agents" -d '{"agent_id":"late-comer"}'
soon 60 has "$D/tail" 'agent late-comer'
kill $tail; wait $tail 2>/dev/null
like "$(cat "$D/tail")" '^event: event' "events"
like "$(cat "$D/tail")" 'agent late-comer' "a change is followed"
is "$(code adm -X DELETE "$B/agents/late-comer")" 200 "DELETE /agents/{id}"
is "$(code adm "$B/agents" -d '{"agent_id":"late-comer"}')" 409 "its name is gone"
like "$(adm "$B/metrics")" 'tappass_http_requests_total\{method="POST",path="/v1/chat/completions",status="200"\} [1-9]' "metrics count calls"
like "$(adm "$B/v1/health/overview")" '"agent_id":"onboarded"' "overview, with /v1"
like "$(adm "$B/api/providers")" '"name":"openai"' "/api/providers"
# ---- proxyctl
like "$(ctl -j audit verify)" '"verified":"1"' "proxyctl audit verify"
like "$(ctl audit tail --lines 500)" 'key.rotate' "proxyctl audit tail"
like "$(ctl -j spend --agent onboarded)" '"calls":"[1-9]' "proxyctl spend"
like "$(ctl spend)" 'not money' "which says what it is not"
like "$(ctl -j key list --agent onboarded)" '"scope":"p=openai m=gpt-4o\* k=generate"' "proxyctl key list"
like "$(ctl -j key create --agent bots --role agent)" '"role":"agent-key"' "an agent key needs no address"
rid=$(ctl -j key create --agent bots --email a@b | field key_id)
like "$(ctl -j key rotate "$rid" --grace 0)" "\"replaces\":\"$rid\"" "proxyctl key rotate"
ctl agent delete bots > /dev/null; is $? 0 "proxyctl agent delete"
before=$(role_pids worker | sort | tr '\n' ' ')
out=$(ctl -j worker quarantine 0); like "$out" '"slot":"0"' "proxyctl worker quarantine"
another() {
	after=$(role_pids worker | sort | tr '\n' ' ')
	[ "$after" != "$before" ] && [ "$(echo $after | wc -w)" = 2 ]
}
soon 60 another; ok $? "a new worker takes its seat"
K=$R; like "$(chat gpt-4o-mini hi)" choices "and calls go on"
gw_stop
like "$(verify -l "$D/state" | tail -n 1)" 'intact$' "intact"
finish
