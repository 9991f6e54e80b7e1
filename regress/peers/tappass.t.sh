# SPDX-License-Identifier: ISC
# The PyPI package tappass, unchanged: its command line and its SDK.
. regress/peers/peerlib.sh
need_peer tappass
need_peer claude
secret=$(random_word)
printf '{"file_path":"%s","content":"%s"}' "$D/work/made.txt" "$secret" > "$D/args.json"
provider_start -t Write -a "$D/args.json"
gw_start
HOME=$D/home
mkdir -p "$HOME/.tappass"
printf 'current_context = "local"\n\n[contexts.local]\nserver = "%s"\n' "$B" > "$HOME/.tappass/config.toml"
# It would report its use to a third party.
TAPPASS_TELEMETRY=0
export HOME TAPPASS_TELEMETRY
A=$(ctl admin-key)
tp() { TAPPASS_URL=$B TAPPASS_TOKEN=$A NO_COLOR=1 TERM=dumb COLUMNS=200 timeout 60 "$PEERS/tappass/bin/tappass" "$@" 2>&1; }
field() { sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' | head -n 1; }
out=$(tp status); like "$out" 'admin' "tappass status"
out=$(tp whoami); is $? 0 "tappass whoami"
like "$out" 'admin' "knows the role"
out=$(tp agent create cli-bot --description "made by the peer" --output json)
is $? 0 "tappass agent create"
like "$out" 'tp_[0-9A-Za-z]{12}_' "and shows its key"
out=$(tp agent create cli-bot --output json)
[ $? != 0 ]; ok $? "a second time it is refused"
like "$(tp agent list)" 'cli-bot' "tappass agent list"
out=$(tp auth developer-key create cli-bot --email dev@example.com --name laptop --show-secret)
is $? 0 "tappass auth developer-key create"
K=$(printf '%s\n' "$out" | grep -oE 'tp_dev_[0-9A-Za-z_]+' | head -n 1)
like "$(chat gpt-4o-mini hi)" choices "its key makes calls"
id=dk_$(printf %s "$K" | cut -c8-19)
like "$(tp auth developer-key list cli-bot)" "$id" "tappass auth developer-key list"
# tappass run starts Claude Code: it finds the gateway in its environment alone,
# and does a task whose content only the provider's tool call names.
mkdir -p "$D/work"
(cd "$D/work" && env -i PATH="$PATH" HOME="$D/home" TERM=dumb LANG=C.UTF-8 \
    TAPPASS_TELEMETRY=0 TAPPASS_URL="$B" TAPPASS_API_KEY="$K" \
    ANTHROPIC_MODEL=claude-sonnet-4-5 ANTHROPIC_SMALL_FAST_MODEL=claude-haiku-4-5 \
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_TELEMETRY=1 \
    DISABLE_AUTOUPDATER=1 IS_SANDBOX=1 \
    timeout 120 "$PEERS/tappass/bin/tappass" run "$PEERS/node_modules/.bin/claude" \
    -p "please use tool to write the file" --allowedTools Write \
    --permission-mode acceptEdits) > "$D/claude.out" 2>&1 < /dev/null
is $? 0 "tappass run claude ends well"
diag "it said: $(tr '\n' ' ' < "$D/claude.out" | cut -c1-200)"
is "$(cat "$D/work/made.txt" 2>/dev/null)" "$secret" "Claude Code wrote the file that only the provider named"
like "$(ctl audit tail --lines 200)" 'claude-sonnet-4-5' "the calls are in the log"
REV=$(new_key)
ctl key revoke "dk_$(printf %s "$REV" | cut -c8-19)" > /dev/null
TP_URL=$B TP_KEY=$K TP_ADMIN=$A TP_REVOKED=$REV TP_SCOPED=$(new_key --models 'gpt-4o*')
export TP_URL TP_KEY TP_ADMIN TP_REVOKED TP_SCOPED
client "PyPI tappass" "$PEERS/tappass/bin/python" regress/peers/tappass_client.py
out=$(tp auth developer-key delete cli-bot --key-id "$id" --yes); is $? 0 "tappass auth developer-key delete"
is "$(code chat gpt-4o-mini hi)" 401 "its key is refused"
out=$(tp model list); is $? 0 "tappass model list"
like "$out" 'gpt-4o-mini' "names the models"
out=$(tp model key list); is $? 0 "tappass model key list"
like "$out" 'openai' "names the provider"
unlike "$out" "$OKEY" "and not its key"
out=$(tp audit list --output json); is $? 0 "tappass audit list"
like "$out" 'key.revoke' "shows the revocation"
tp audit tail > "$D/tail" 2>&1 & tail=$!
sleep 4
ctl agent create tailed > /dev/null
for _ in $(seq 40); do grep -q 'agent.create' "$D/tail" && break; sleep 0.2; done
kill $tail 2>/dev/null
like "$(cat "$D/tail")" 'agent.create' "tappass audit tail follows"
settle
finish
