# SPDX-License-Identifier: ISC
# Upstream faults: 502 or 504 in the client's dialect with the cause in a
# human's words; a cut stream ends with an error event and broken framing.
. regress/scenario/lib.sh
gw_start
c() { m=$1; shift; chat "$m" hello -i "$@" 2>&1; }
s() { m=$1; shift; chat_stream "$m" hello -i "$@" 2>&1; echo "curl=$?"; }
like "$(c mode-reset-before)" '^HTTP/1.1 502' "reset before the head: 502"
like "$(c mode-badstatus)" '^HTTP/1.1 502' "no status line: 502"
like "$(c mode-hugeheader-64)" '^HTTP/1.1 502' "a head beyond the limit: 502"
like "$(c mode-flood-40)" '^HTTP/1.1 502' "a flood of 1xx: 502"
like "$(c mode-gzip)" '^HTTP/1.1 502' "compressed in spite of identity: 502"
out=$(c mode-status-401)
like "$out" '^HTTP/1.1 502' "upstream 401 is our 502"
like "$out" '^[Xx]-[Ss]hould-[Rr]etry: false' "not to be retried"
unlike "$out" "$OKEY" "and shows no credential"
like "$(c mode-status-403)" '^HTTP/1.1 502' "upstream 403 likewise"
like "$(c mode-status-500)" '^HTTP/1.1 500' "a 500 passes"
like "$(c mode-status-429-7)" '^[Rr]etry-[Aa]fter: 7' "a short Retry-After passes"
unlike "$(c mode-status-429-7200)" '^[Rr]etry-[Aa]fter' "a long one does not"
like "$(messages anthropic/mode-reset-before x -i)" '"type": *"error".*api_error' "in the other dialect too"
out=$(s mode-cut)
like "$out" '"error"' "a cut stream: error event"
unlike "$out" '\[DONE\]' "no [DONE]"
like "$out" 'curl=18' "and the chunked coding is not completed"
out=$(messages anthropic/mode-cut x -i -d '{"model":"anthropic/mode-cut","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}' 2>&1; echo "curl=$?")
chat_len=$(curl -s --max-time 60 "$B/v1/messages" -H "x-api-key: $K" -H 'content-type: application/json' -d '{"model":"anthropic/mode-cut","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}'; echo "curl=$?")
like "$chat_len" 'event: error' "Anthropic: event: error"
like "$chat_len" 'curl=18' "and broken framing"
like "$(s mode-reset-body)" 'curl=(18|56)' "reset in mid-stream"
like "$(s mode-badchunk)" '"error"' "bad chunk framing: error event"
like "$(c mode-short)" '^HTTP/1.1 200' "surplus bytes behind a complete answer"
like "$(c mode-long; echo)" '^HTTP/1.1 (200|502)' "an answer shorter than announced"
like "$(c mode-close)" '^HTTP/1.1 200' "Connection: close"
like "$(c mode-idleclose)" '^HTTP/1.1 200' "closed right after the answer"
like "$(c gpt-4o-mini)" '^HTTP/1.1 200' "the next call gets a fresh connection"
like "$(c mode-twice)" '^HTTP/1.1 200' "two answers: one is taken"
like "$(c gpt-4o-mini)" '^HTTP/1.1 200' "and the second goes nowhere"
unlike "$(c mode-echo)" "$OKEY" "a credential echoed in JSON is masked"
unlike "$(s mode-echo-bytes)" "$OKEY" "in a stream, byte by byte"
unlike "$(c mode-echo-header)" "$OKEY" "in a header"
dd if=/dev/zero bs=1000 count=400 2>/dev/null | tr '\0' x > "$D/big"
printf '{"model":"mode-early","messages":[{"role":"user","content":"%s"}]}' "$(cat "$D/big")" > "$D/big.json"
out=$(curl -s -i --max-time 60 "$B/v1/chat/completions" -H "Authorization: Bearer $K" -H 'content-type: application/json' --data-binary @"$D/big.json")
like "$out" '^HTTP/1.1 [2345]' "an early answer to a long body"
like "$(c gpt-4o-mini)" '^HTTP/1.1 200' "and the gateway lives"
like "$(curl -s --max-time 3 -o /dev/null -w '%{http_code}' "$B/v1/chat/completions" -H "Authorization: Bearer $K" -H 'content-type: application/json' -d '{"model":"mode-never","messages":[]}')" '000' "a provider that never answers: the client leaves"
gw_stop
like "$(verify "$D/state" | tail -n 1)" 'orphans=0 open=0 .*intact$' "each call has its record and outcome"

# Nobody there, no such name, a certificate that nobody signed.
OPENAI_URL=http://127.0.0.1:$(free_port)/v1
ANTHROPIC_URL=https://nosuch.invalid
gw_pid=; rm -f "$D/ctl.sock"; PORT=$(free_port); gw_start
out=$(c gpt-4o-mini)
like "$out" '^HTTP/1.1 502' "connection refused: 502"
like "$out" 'refused' "which it says"
out=$(messages claude-haiku-4-5 x -i)
like "$out" '^HTTP/1.1 50[24]' "no such name"
like "$out" 'resolve|nosuch.invalid|name' "which it says"
gw_stop
finish
