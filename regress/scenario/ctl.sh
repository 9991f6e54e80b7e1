# SPDX-License-Identifier: ISC
# proxyctl(8) against a running gateway: each command, each refusal, and
# rubbish on the control socket, which harms nobody.
. regress/scenario/lib.sh
gw_start
try() { KEEP_K=$K; K=$1; code chat gpt-4o-mini hi; K=$KEEP_K; }
adm() { code curl -s --max-time 60 "$B/agents" -H "Authorization: Bearer $1"; }

# Each role has come up; the second worker may be behind the first.
all_up() {
	status=$(ctl status) && [ "$(printf '%s\n' "$status" | grep -cE '^(worker [0-9]+|ledger|dial|broker|egress [a-z]+) .* up')" -ge 7 ]
}
soon 60 all_up
status=$(ctl status); is $? 0 "status"
for s in gateway ledger calls workers providers keys roles; do
	like "$status" "^$s\$" "status has the section $s"
done
like "$status" '^gate open' "the gate is open"
for r in ledger dial broker 'egress openai' 'egress anthropic'; do
	like "$status" "^$r pid [0-9]+ .* up" "$r is up"
done
is "$(printf '%s\n' "$status" | grep -c '^worker [0-9]* class both pid')" 2 "two workers"
like "$status" 'pin [0-9a-f]{64}' "the audit pin"
unlike "$status" "$OKEY|$AKEY|$K" "status shows no key"
for p in $(gw_tree); do tr '\0' ' ' < /proc/"$p"/cmdline; done > "$D/argv" 2>/dev/null
unlike "$(cat "$D/argv")" 'sk-|tp_' "nor does any command line"

like "$(ctl agent list)" 'default' "agent list"
out=$(ctl agent create builder --description 'makes things' 2>&1); is $? 0 "agent create"
like "$(ctl agent list)" 'builder .*makes things' "it is listed"
like "$(ctl -j agent list | grep builder)" '^\{.*"builder".*\}$' "-j: JSON objects, one a line"
out=$(ctl agent create builder 2>&1)
is "$(ctl -j agent list | grep -c '"builder"')" 1 "the same again changes nothing"
out=$(ctl agent create 'no good' 2>&1); is $? 1 "a name that is none"

K1=$(ctl -j key create --agent builder --email a@b | sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
is "$(try "$K1")" 200 "key of an agent that is there"
out=$(ctl key create --agent newcomer --email a@b --expires 7 --name laptop 2>&1); is $? 0 "key of an agent that is not"
like "$out" 'newcomer' "which it says"
like "$out" 'tp_dev_' "and shows the key"
K2=$(printf '%s\n' "$out" | grep -o 'tp_dev_[A-Za-z0-9_]*' | head -n 1)
is "$(try "$K2")" 200 "it works"
list=$(ctl key list)
id1=dk_$(printf %s "$K1" | cut -c8-19) id2=dk_$(printf %s "$K2" | cut -c8-19)
like "$list" "$id1" "key list: the one"
like "$list" "$id2" "and the other"
unlike "$list" "$K1|$K2" "but no secret"
like "$(ctl key list --agent newcomer)" "$id2" "key list of one agent"
unlike "$(ctl key list --agent newcomer)" "$id1" "has no other's"
out=$(ctl key create --agent x --email a@b --expires 366 2>&1); is $? 2 "366 days"
out=$(ctl key create --agent x --email a@b --expires 0 2>&1); is $? 2 "no days"
out=$(ctl key create --agent x --email nonsense 2>&1); is $? 1 "an address that is none"
out=$(ctl key create --email a@b 2>&1); is $? 2 "no agent"
unlike "$(ctl agent list)" '^x ' "and no agent came of it"

out=$(ctl key revoke "$id1"); is $? 0 "revoke"
is "$(try "$K1")" 401 "the key is dead"
is "$(try "$K2")" 200 "the other lives"
out=$(ctl key revoke "$id1" 2>&1); st=$?
[ $st = 0 ] || [ $st = 1 ] || [ $st = 3 ]; ok $? "again: exit $st, $out"
out=$(ctl key revoke dk_AAAAAAAAAAAA 2>&1); is $? 3 "one that never was"

A1=$(ctl admin-key); is "$(adm "$A1")" 200 "admin-key"
A2=$(ctl admin-key); is "$(adm "$A2")" 200 "a second one"
is "$(adm "$A1")" 401 "ends the first"
unlike "$A2" "^$A1\$" "and is another"
out=$(ctl first --env "$D/env" --listen "127.0.0.1:$PORT" 2>&1); is $? 0 "first --env"
is "$(stat -c %a "$D/env")" 600 "the file is the owner's alone"
for v in OPENAI_BASE_URL OPENAI_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_API_KEY PROXYD_CONTROL; do
	like "$(cat "$D/env")" "^export $v=" "it exports $v"
done
like "$(cat "$D/env")" '^unset ANTHROPIC_AUTH_TOKEN' "and unsets ANTHROPIC_AUTH_TOKEN"
is "$(. "$D/env"; try "$OPENAI_API_KEY")" 200 "its key works"
is "$(. "$D/env"; printf %s "$OPENAI_BASE_URL")" "$B/v1" "its address too"

for c in nonsense 'key' 'key nonsense' 'agent create' 'status more' '-x status' ''; do
	out=$(ctl $c 2>&1); is $? 2 "\"$c\": exit 2"
	like "$out" 'usage:' "with the usage"
done
out=$(ctl -S "$D/nosuch.sock" status 2>&1); is $? 1 "no such socket"
out=$(ctl reload 2>&1); is $? 0 "reload"
is "$(try "$K2")" 200 "serves after it"

if [ "$(id -u)" = 0 ]; then
	is "$(stat -c %a "$D/ctl.sock")" 600 "the socket is the owner's alone"
	chmod 755 "$D"; chmod 666 "$D/ctl.sock"
	cp "$OUT/sbin/proxyctl" "$D/proxyctl"
	out=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$D/proxyctl" status 2>&1)
	like "$?$out" '^1' "another user is refused even where the file would let it"
	unlike "$out" 'gate (open|closed)|ledger' "and told nothing"
	chmod 600 "$D/ctl.sock"
fi

perl -MSocket -e '
	srand(42);
	my $no = 0;
	for my $i (1 .. 60) {
		socket(my $s, AF_UNIX, SOCK_SEQPACKET, 0) or die;
		connect($s, pack_sockaddr_un($ARGV[0])) or next;
		my $n = $i == 1 ? 0 : $i == 2 ? 65536 : 1 + int rand 300;
		my $m = join "", map { chr int rand 256 } 1 .. $n;
		# half of them with the type of a message that exists
		$m = pack("nn", 0x0700 + int rand 32, 0) . $m if $i % 2;
		for (1 .. 3) { send($s, $m, MSG_NOSIGNAL) or last; }
		push @keep, $s if $i > 50;	# and some say nothing more
	}
' "$D/ctl.sock"
is "$(try "$K2")" 200 "rubbish on the socket: calls go on"
status=$(ctl status); is $? 0 "so does control"
unlike "$status" 'restarts [1-9]' "nobody died"

# what is shown to a person is not obeyed by the terminal
perl regress/scenario/hostile.pl "$D/evil.sock" & evil=$!
for _ in $(seq 300); do [ -S "$D/evil.sock" ] && break; sleep 0.1; done
for c in 'status' 'agent list' 'key list' 'audit tail' 'audit list' 'secret list' \
    'key create --agent a --email a@b' '-j key list' '-j audit tail'; do
	# shellcheck disable=SC2086
	ctl -S "$D/evil.sock" $c > "$D/shown" 2>&1
	perl -0777 -ne 'exit !(/abc/ && utf8::decode(my $t = $_) && !/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae/)' "$D/shown"
	ok $? "$c: a hostile answer is shown, not obeyed"
done
kill $evil
gw_stop
list=$(verify -l "$D/state")
last=$(printf '%s\n' "$list" | tail -n 1)
like "$last" 'intact$' "the record is whole"
is "$(printf '%s\n' "$list" | grep -c '^entry .* admin.agent.create')" 3 "three agents made"
is "$(printf '%s\n' "$list" | grep -c '^entry .* key.revoke')" 1 "one revocation"
unlike "$list" "$K1|$K2|$A1|$A2" "no key in it"
finish
