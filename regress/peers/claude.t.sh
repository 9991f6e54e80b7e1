# SPDX-License-Identifier: ISC
# Claude Code finishing a task through ANTHROPIC_BASE_URL (S5): a file appears
# whose random content only the provider's tool call named, and the provider saw
# the tool's result in the next request.  Once plainly, once with a cut stream.
. regress/peers/peerlib.sh
need_peer claude

run_claude() {
	mkdir -p "$D/home" "$D/work"
	(cd "$D/work" && env -i PATH="$PATH" HOME="$D/home" TERM=dumb LANG=C.UTF-8 \
	    ANTHROPIC_BASE_URL="$B" ANTHROPIC_API_KEY="$K" \
	    ANTHROPIC_MODEL="$1" ANTHROPIC_SMALL_FAST_MODEL=claude-haiku-4-5 \
	    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_TELEMETRY=1 \
	    DISABLE_AUTOUPDATER=1 IS_SANDBOX=1 \
	    timeout 120 "$PEERS/node_modules/.bin/claude" -p "please use tool to write the file" \
	    --allowedTools Write --permission-mode acceptEdits) > "$D/claude.out" 2>&1 < /dev/null
}

secret=$(random_word)
printf '{"file_path":"%s","content":"%s"}' "$D/work/made.txt" "$secret" > "$D/args.json"
provider_start -t Write -a "$D/args.json"
gw_start
run_claude claude-sonnet-4-5
is $? 0 "claude -p ends well"
diag "claude said: $(head -c 200 "$D/claude.out" | tr '\n' ' ')"
is "$(cat "$D/work/made.txt" 2>/dev/null)" "$secret" "the file has the content that only the provider named"
n=$(grep -c '"path": *"/v1/messages' "$D/provider.log")
[ "$n" -ge 2 ]; ok $? "the provider saw $n requests"
unlike "$(cat "$D/provider.log")" 'tp_dev_' "no key of ours reached it"

# A stream that is cut: the client repeats without streaming and says so or
# fails; it never takes the cut answer for the whole.
run_claude anthropic/mode-cut
diag "cut: $? $(head -c 200 "$D/claude.out" | tr '\n' ' ')"
n2=$(grep -c 'mode-cut' "$D/provider.log")
[ "$n2" -ge 2 ]; ok $? "a cut stream is noticed: the client asked $n2 times"
settle
finish
