#!/bin/sh
# SPDX-License-Identifier: ISC
# The vault key from a file: rotated twice while calls go on, restarted, moved
# on by TAPPASS_VAULT_KEY_PREVIOUS, and refused where it is another one.
. regress/scenario/lib.sh

new_vault_key() { head -c 32 /dev/urandom | base64 > "$D/next" &&
    chmod 600 "$D/next" && mv "$D/next" "$D/vault.key"; }
rotate() { ctl -j vault rotate 2>&1; }
status() { ctl vault status 2>&1; }
kid() { status | sed -n 's/^key \([a-z2-7]*\),.*/\1/p'; }
field() { printf '%s\n' "$1" | sed -n "s/.*\"$2\": *\"*\([^\",}]*\).*/\1/p"; }
works() {
	curl -s -o /dev/null -w '%{http_code}' -H "authorization: Bearer $1" \
	    -H 'content-type: application/json' -d '{"model":"gpt-4o-mini",
	    "messages":[{"role":"user","content":"x"}]}' \
	    "$B/v1/chat/completions"
}
admin() { curl -s -w '\n%{http_code}' -X POST -H "authorization: Bearer $A" "$B$1"; }
refused() {
	gw_spawn
	wait "$gw_pid"; gw_status=$?; gw_pid=
}

gw_start
A=$(ctl admin-key)
first=$(kid)
like "$first" '^[a-z2-7]{13}$' "status names the key"
is "$(works "$K")" 200 "a developer key works"

# the same key again
r=$(rotate)
is "$(field "$r" changed)" 0 "nothing new in the file: nothing changes"
is "$(kid)" "$first" "the key is the same"

cp "$D/vault.key" "$D/key.1"
new_vault_key
r=$(rotate)
is "$(field "$r" changed)" 1 "a new key in the file: rotated"
is "$(field "$r" previous_kid)" "$first" "the answer names the one before"
second=$(kid)
is "$(field "$r" kid)" "$second" "and the new one"
is "$(works "$K")" 200 "the developer key works after one rotation"

cp "$D/vault.key" "$D/key.2"
new_vault_key
r=$(admin /v1/admin/vault/rotate)
is "$(printf '%s\n' "$r" | tail -n 1)" 200 "by HTTP, too"
like "$r" "\"changed\": *true.*\"previous_kid\": *\"$second\"" "as JSON"
third=$(kid)
is "$(works "$K")" 200 "the developer key works after two rotations"
is "$(admin /admin/vault/rotate | tail -n 1)" 200 "without /v1: unchanged"
is "$(curl -s -o /dev/null -w '%{http_code}' -X POST \
    -H "authorization: Bearer $K" "$B/admin/vault/rotate")" 403 \
    "a developer may not"

# a bad file changes nothing
cp "$D/vault.key" "$D/key.3"
head -c 31 /dev/urandom | base64 > "$D/vault.key"
r=$(admin /admin/vault/rotate)
is "$(printf '%s\n' "$r" | tail -n 1)" 502 "31 bytes: 502"
like "$r" 'bad_key|base64 of 32' "and why"
is "$(kid)" "$third" "nothing has changed"
is "$(works "$K")" 200 "and everything works"
cp "$D/key.3" "$D/vault.key"

gw_stop
gw_spawn; gw_wait; ok $? "starts with the third key"
is "$(kid)" "$third" "which is the one in force"
is "$(works "$K")" 200 "the developer key works after the restart"
gw_stop

# killed without warning behind a rotation
cp "$D/key.2" "$D/unused"
gw_spawn; gw_wait
new_vault_key
rotate > /dev/null
fourth=$(kid)
tree=$(gw_tree)
kill -9 "$gw_pid"; wait "$gw_pid" 2>/dev/null; gw_pid=
# A zombie is gone.
gone() { ! cat $(printf '/proc/%s/stat ' $tree) 2>/dev/null | grep -qv ') Z '; }
soon 30 gone; ok $? "kill -9: no process is left"
gw_spawn; gw_wait; ok $? "starts after kill -9"
is "$(kid)" "$fourth" "with the key of the rotation"
is "$(works "$K")" 200 "the developer key works"
gw_stop

# another key in the file at a start
cp "$D/vault.key" "$D/key.4"
new_vault_key
refused
is "$gw_status" 78 "another key without the one before: exit 78"
like "$(tail -n 20 "$D/log")" "database was written under $fourth" \
    "and the log names the keys"
TAPPASS_VAULT_KEY_PREVIOUS=$(cat "$D/key.4")
export TAPPASS_VAULT_KEY_PREVIOUS
gw_spawn; gw_wait; ok $? "TAPPASS_VAULT_KEY_PREVIOUS: it starts"
unlike "$(kid)" "^$fourth\$" "and rotates to the new key"
is "$(works "$K")" 200 "the developer key works"
gw_stop
unset TAPPASS_VAULT_KEY_PREVIOUS
gw_spawn; gw_wait; ok $? "and needs it for one start only"
is "$(works "$K")" 200 "the developer key works"
gw_stop

# in the environment it cannot change
TAPPASS_VAULT_KEY=$(cat "$D/vault.key")
export TAPPASS_VAULT_KEY
mv "$D/vault.key" "$D/key.5"
gw_spawn; gw_wait; ok $? "the same key in the environment"
r=$(admin /admin/vault/rotate)
is "$(printf '%s\n' "$r" | tail -n 1)" 409 "which cannot be rotated: 409"
like "$r" TAPPASS_VAULT_KEY_PREVIOUS "with what to do"
gw_stop
unset TAPPASS_VAULT_KEY

v=$("$OUT/bin/auditverify" "$D/state" 2>&1); ok $? "the log verifies"
e=$(cat "$D/log")
for f in "$D"/key.?; do
	case $e in *"$(cut -c1-20 "$f")"*) ok 1 "no key in the log" ;; esac
done
like "$(ctl -h 2>&1)" 'vault rotate' "proxyctl says so"
finish
