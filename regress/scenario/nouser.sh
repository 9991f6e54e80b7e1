# SPDX-License-Identifier: ISC
# Without root: everything works with the confinement that needs none, and
# status says what is missing.
. regress/scenario/lib.sh
if [ "$(id -u)" = 0 ]; then
	# The tree may stand where the user cannot look.
	chmod 755 "$D"
	mkdir "$D/tree"
	cp -R "$OUT/sbin" "$OUT/libexec" "$OUT/bin" "$D/tree/" || skip_all "no copy"
	chmod -R a+rX "$D/tree"
	as='setpriv --reuid 65534 --regid 65534 --clear-groups'
	$as true 2>/dev/null || skip_all "setpriv cannot change the user"
	user=65534
else
	as= user=$(id -u)
fi
provider_start
gw_config
mkdir -p "$D/home" "$D/run"
[ -z "$as" ] || chown -R 65534:65534 "$D/home" "$D/run" "$D/conf"
sed -i "s|^control .*|control \"$D/run/ctl.sock\"|; s|^vault .*|vault key file \"$D/run/vault.key\"|" "$D/conf/keybrokerd.conf"
PROXYD_CONTROL=$D/run/ctl.sock
OKEY=sk-test-$(random_word) AKEY=sk-ant-test-$(random_word)
bin=$OUT
if [ -n "$as" ] && ! $as test -x "$OUT/sbin/proxyd"; then
	bin=$D/tree
fi
$as env OPENAI_API_KEY="$OKEY" ANTHROPIC_API_KEY="$AKEY" HOME="$D/home" \
    "$bin/sbin/proxyd" -d -c "$D/conf" -s "$D/home/state" >> "$D/log" 2>&1 &
gw_pid=$!
gw_wait; ok $? "starts as uid $user"
kill -0 $gw_pid 2>/dev/null || finish
ctl() { $as "$bin/sbin/proxyctl" "$@"; }
K=$(new_key)
like "$(chat gpt-4o-mini hello -i)" '^HTTP/1.1 200' "a call"
like "$(chat_stream gpt-4o-mini hello)" '\[DONE\]' "a stream"
like "$(messages claude-haiku-4-5 hello -i)" '^HTTP/1.1 200' "a message"
status=$(ctl status)
like "$status" '^gate open' "the gate is open"
like "$status" '(without|missing).*(netns|uid|chroot|root)' "status says what is missing"
n=0
for r in worker broker ledger dial egress; do
	for p in $(role_pids $r); do
		n=$((n + 1))
		st=$(cat /proc/"$p"/status)
		like "$st" '^Seccomp:[[:space:]]*2' "$r: seccomp"
		like "$st" '^NoNewPrivs:[[:space:]]*1' "$r: no new privileges"
		like "$st" '^CapEff:[[:space:]]*0*$' "$r: no capability"
		like "$st" "^Uid:[[:space:]]*$user[[:space:]]" "$r: that user"
	done
done
is $n 7 "seven roles"
is "$(stat -c '%a %u' "$D/home/state")" "700 $user" "the state is the user's alone"
is "$(stat -c '%a %u' "$D/run/vault.key")" "600 $user" "so is the vault key"
is "$(stat -c '%a %u' "$D/run/ctl.sock")" "600 $user" "and the control socket"
kill "$gw_pid"; wait "$gw_pid"; is $? 0 "stops cleanly"
gw_pid=
last=$($as "$bin/bin/auditverify" "$D/home/state" 2>&1 | tail -n 1)
like "$last" 'intents=3 outcomes=3 orphans=0 open=0 .*intact$' "the user verifies the record"
finish
