# SPDX-License-Identifier: ISC
# Provider secrets from where operators keep them: a Kubernetes volume (written
# the way kubelet does), a rendered file (the way Vault Agent does), files that
# are rewritten in place, and everything that can be wrong with them.
. regress/scenario/lib.sh
S=$D/volume R=$D/rendered
mkdir -m 700 "$S" "$R" "$D/out"
# kubelet_write KEY VALUE...: a new generation, then ..data is replaced.
kubelet_write() {
	ts=..$(random_word); mkdir "$S/$ts"
	while [ $# -ge 2 ]; do
		printf %s "$2" > "$S/$ts/$1"; chmod 0440 "$S/$ts/$1"
		[ -L "$S/$1" ] || ln -s "..data/$1" "$S/$1"
		shift 2
	done
	old=$(readlink "$S/..data" || :)
	ln -s "$ts" "$S/..data_tmp"; mv -T "$S/..data_tmp" "$S/..data"
	[ -z "$old" ] || rm -r "${S:?}/$old"
}
# agent_write TEXT: a numbered file, then a rename.
agent_write() {
	printf '%s\n' "$1" > "$R/123456"; chmod 0440 "$R/123456"
	mv "$R/123456" "$R/llm"
}
used() { grep -c "\"auth\":\"$1\"" "$D/provider.log"; }
# in_use NAME FINGERPRINT-BEFORE: milliseconds until the value has changed.
fp() { ctl -j secret list | tr '{' '\n' | grep "\"name\":\"$1\"" | grep '"in use"' |
    sed 's/.*"fingerprint":"\([0-9a-f]*\)".*/\1/' | head -n 1; }
now_ms() { date +%s%3N; }
await() {	# NAME OLD LIMIT-SECONDS
	t0=$(now_ms) r=1
	while [ $(($(now_ms) - t0)) -le $(($3 * 1000)) ]; do
		f1=$(fp "$1")
		[ -n "$f1" ] && [ "$f1" != "$2" ] && { r=0; break; }
		sleep 0.02
	done
	took=$(($(now_ms) - t0))
	return $r
}
warns() { warned "$1" | grep -Eq -e "$2"; }
quiet() { ctl status > "$D/status" && ! grep -qF "WARNING $1" "$D/status"; }
warned() { ctl status | grep -F "WARNING $1" | head -n 1; }

kubelet_write OPENAI_API_KEY sk-volume-1
agent_write 'export ANTHROPIC_API_KEY="sk-ant-rendered-1"'
OKEY= AKEY=
EXTRA_K="secrets directory \"$S\"
secrets file \"$R/llm\""
gw_config
sed -i '/^development$/d' "$D/conf/keybrokerd.conf"	# modes count
"$OUT/sbin/keybrokerd" init -c "$D/conf" -s "$D/state" > /dev/null 2>> "$D/log"
provider_start
PORT=$(free_port); gw_config; sed -i '/^development$/d' "$D/conf/keybrokerd.conf"
gw_spawn; gw_wait; ok $? "starts with keys from a volume and a rendered file"
K=$(new_key)
is "$(code chat gpt-4o-mini hi)" 200 "a key of the volume serves"
is "$(code messages claude-haiku-4-5 hi)" 200 "a key of the rendered file serves"
is "$(used 'Bearer sk-volume-1'),$(grep -c sk-ant-rendered-1 "$D/provider.log")" 1,1 "the provider saw both"

# --- kubelet: ten swaps; Vault Agent: ten renames
worst=0
for i in 2 3 4 5 6 7 8 9 10 11; do
	f=$(fp OPENAI_API_KEY); kubelet_write OPENAI_API_KEY "sk-volume-$i"
	await OPENAI_API_KEY "$f" 20 || worst=99999
	[ "$took" -le "$worst" ] || worst=$took
done
[ "$worst" -le 15000 ]; ok $? "ten atomic ..data swaps: each new key in use (worst $worst ms, target 1000)"
diag "new provider key in use after the volume changed: at most $worst ms (watch)"
chat gpt-4o-mini hi > /dev/null; is "$(used 'Bearer sk-volume-11')" 1 "the last one is what the provider sees"
worst=0
for i in 2 3 4 5 6 7 8 9 10 11; do
	f=$(fp ANTHROPIC_API_KEY); agent_write "export ANTHROPIC_API_KEY=\"sk-ant-rendered-$i\""
	await ANTHROPIC_API_KEY "$f" 20 || worst=99999
	[ "$took" -le "$worst" ] || worst=$took
done
[ "$worst" -le 15000 ]; ok $? "ten renames of the rendered file (worst $worst ms, target 1000)"
diag "new provider key in use after the file changed: at most $worst ms (watch)"

# --- half-written, in place
exec 7> "$R/llm"; soon 30 warns "$R/llm" .
is "$(code messages claude-haiku-4-5 hi)" 200 "truncated in place, still open: the old key serves"
printf 'export ANTHROPIC_API_KEY="sk-ant-ha' >&7; sleep 0.4
is "$(code messages claude-haiku-4-5 hi)" 200 "half of a line: the old key serves"
f=$(fp ANTHROPIC_API_KEY); printf 'lf-12"\n' >&7; exec 7>&-
await ANTHROPIC_API_KEY "$f" 60; soon 30 quiet "$R/llm"
is "$(warned "$R/llm")" "" "completed: the warning is gone"
messages claude-haiku-4-5 hi > /dev/null
is "$(grep -c 'sk-ant-half-12' "$D/provider.log")" 1 "and the new key serves"

# --- everything that can be wrong with a file: old value, one warning
n=0
bad() {	# WHAT PATTERN: the volume's file is bad now
	soon 60 warns "$S/OPENAI_API_KEY" "$2"
	like "$(warned "$S/OPENAI_API_KEY")" "$2" "$1: $2"
	is "$(code chat gpt-4o-mini hi)" 200 "$1: the old key serves"
}
plain() { rm -f "$S/OPENAI_API_KEY"; "$@"; }
plain true; bad "file gone" "not there"
plain mkfifo -m 400 "$S/OPENAI_API_KEY"; bad fifo "is a fifo"
plain mkdir -m 700 "$S/OPENAI_API_KEY"; bad directory "is a directory"; rmdir "$S/OPENAI_API_KEY"
plain ln -s "$D/out/key" "$S/OPENAI_API_KEY"; echo sk-outside > "$D/out/key"; bad "link out of the directory" "leads out of its directory"
plain ln -s ../out/key "$S/OPENAI_API_KEY"; bad "relative link out of it" "leads out of its directory"
if [ "$(id -u)" = 0 ] && mknod "$D/out/null" c 1 3 2> /dev/null; then
	plain mknod "$S/OPENAI_API_KEY" c 1 3; bad device "is a device"
else diag "no device made: not root"; fi
new() { printf "$1" > "$S/tmp"; chmod "${2:-0400}" "$S/tmp"; rm -rf "${S:?}/OPENAI_API_KEY"; mv "$S/tmp" "$S/OPENAI_API_KEY"; }
new ''; bad empty "empty"
new 'sk-a\nsk-b\n'; bad "two lines" "more than one line"
new 'sk\001x'; bad "control character" "control characters"
new "$(head -c 4000 /dev/zero | tr '\0' k)"; bad "4,000 bytes" "longer than 3072"
new "$(head -c 70000 /dev/zero | tr '\0' k)"; bad "70,000 bytes" "larger than 64 KiB"
new tp_dev_abc; bad "one of our own keys" "proxyd key"
new 'sk-open\n' 0644; bad "readable by others" "read by others"
for _ in $(seq 60); do kill -HUP "$gw_pid"; done; sleep 1
is "$(code chat gpt-4o-mini hi)" 200 "60 SIGHUPs while it is bad: the old key serves"
is "$(grep -c 'read by others' "$D/log")" 1 "and one warning in the log"
mv "$S" "$S.away"; bad "directory gone" "not there"
f=$(fp OPENAI_API_KEY); mkdir -m 700 "$S"; new 'sk-back\n'
await OPENAI_API_KEY "$f" 60; soon 60 quiet "$S/"
is "$(warned "$S/")" "" "the directory is back: no warning is left"
chat gpt-4o-mini hi > /dev/null; is "$(used 'Bearer sk-back')" 1 "and its key serves"
printf 'export ANTHROPIC_API_KEY="open\n' > "$R/llm"; soon 30 warns "$R/llm" 'closing quote'
like "$(warned "$R/llm")" 'llm:1: the closing quote' "a malformed rendered file is named with its line"
is "$(code messages claude-haiku-4-5 hi)" 200 "and its old key serves"
agent_write 'export ANTHROPIC_API_KEY="sk-ant-last"'; soon 30 quiet "$R/llm"

# --- a broker's crash costs nothing, even while a file is broken
agent_write ''; soon 30 warns "$R/llm" 'no value for ANTHROPIC'; like "$(warned "$R/llm")" 'no value for ANTHROPIC' "a rendered file without its name: the value stays"
p=$(role_pid broker); kill -9 "$p"
another() { n=$(role_pid broker); [ -n "$n" ] && [ "$n" != "$p" ]; }
speaks() { [ "$(code messages claude-haiku-4-5 hi)" = 200 ]; }
soon 60 another; soon 60 speaks
is "$(code messages claude-haiku-4-5 hi)" 200 "broker killed meanwhile: its key serves on"
agent_write 'export ANTHROPIC_API_KEY="sk-ant-last"'; soon 30 quiet "$R/llm"

# --- the vault
ctl secret set OPENAI_API_KEY sk-argv > "$D/o" 2>&1; [ $? = 2 ]; ok $? "a value on the command line is refused"
like "$(printf 'sk-vault-1\n' | ctl secret set OPENAI_API_KEY)" staged "set from a pipe: staged while another value serves"
like "$(ctl secret test openai)" accepted "test proves it upstream"
like "$(ctl secret list)" 'vault +shadowed' "the file comes before the vault, and the list says so"
unlike "$(ctl secret list; ctl -j secret list; ctl status)" 'sk-' "no list shows a value"
rm -f "$S/OPENAI_API_KEY"; soon 30 warns "$S/OPENAI_API_KEY" 'not there'
like "$(ctl secret delete OPENAI_API_KEY)" 'files lost' "delete drops what the file lost, and the vault's"
like "$(chat gpt-4o-mini hi -i)" ' 503 ' "then there is no key: 503"
like "$(printf 'sk-vault-2' | ctl secret set openai)" 'in use' "set where nothing serves: in use at once"
is "$(code chat gpt-4o-mini hi)" 200 "and calls go out again"
printf 'export OPENAI_API_KEY="sk-vault-3"\n' | ctl secret import > "$D/o"; like "$(cat "$D/o")" staged "import from a pipe"
like "$(ctl secret test OPENAI_API_KEY)" "accepted.*vault's value now" "proved, it serves"
chat gpt-4o-mini hi > /dev/null; is "$(used 'Bearer sk-vault-3')" 2 "the provider saw it: by the test and by the call"
gw_stop
PORT=$(free_port); gw_config; sed -i '/^development$/d' "$D/conf/keybrokerd.conf"; gw_spawn; gw_wait
is "$(code chat gpt-4o-mini hi)" 200 "after a restart the vault's key is there"
gw_stop

# --- without directory events
printf 'secrets watch off\n' >> "$D/conf/keybrokerd.conf"
gw_spawn; gw_wait
f=$(fp ANTHROPIC_API_KEY); agent_write 'export ANTHROPIC_API_KEY="sk-ant-polled"'
await ANTHROPIC_API_KEY "$f" 120; ok $? "poll alone (took $took ms, target 30000)"
diag "new provider key in use after the file changed: $took ms (poll alone)"
gw_stop
like "$(verify "$D/state" 2>&1)" ': intact$' "auditverify: intact"
unlike "$(cat "$D/log")" 'sk-(volume|vault|ant|back|open|outside)' "no key in the log"
finish
