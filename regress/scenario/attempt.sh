# SPDX-License-Identifier: ISC
# A provider that refuses the key in use: one reading of the sources, one second
# attempt with another key, recorded before it leaves; never a third.
. regress/scenario/lib.sh
S=$D/volume; mkdir -m 700 "$S"
put() { printf '%s\n' "$1" > "$S/.new"; mv "$S/.new" "$S/OPENAI_API_KEY"; }
accept() { printf '%s\n' "$@" > "$D/keys.new"; mv "$D/keys.new" "$D/keys"; }
seen() { grep -c "\"auth\":\"Bearer $1\"" "$D/provider.log"; }
big() { head -c "$1" /dev/zero | tr '\0' x; }
put sk-one; accept sk-one sk-two
OKEY= EXTRA_K="secrets directory \"$S\"
secrets watch off"
provider_start -K "$D/keys"
gw_start
is "$(code chat gpt-4o-mini hi)" 200 "the first key serves"
# Rotated at the provider, and the file has changed unseen: read again, at once.
put sk-two; accept sk-two
is "$(code chat gpt-4o-mini hi)" 200 "401 with the old key: the file is read again, the new key serves"
is "$(seen sk-one),$(seen sk-two)" 2,1 "two attempts, two keys"
like "$(ctl status)" 'second attempts 1' "counted"
# The new key is bad: the previous one serves.
print() { ctl -j secret list | sed -n 's/.*volume.*"fingerprint":"\([^"]*\)".*/\1/p'; }
two=$(print)
changed() { [ "$(print)" != "$two" ]; }
put sk-bad; kill -HUP "$gw_pid"
soon 60 changed; ok $? "a bad key came"
is "$(code chat gpt-4o-mini hi)" 200 "the key in use is refused: the previous one serves"
is "$(seen sk-bad)" 1 "it was tried once"
for _ in 1 2 3 4 5; do chat gpt-4o-mini hi > /dev/null; done
is "$(seen sk-bad)" 1 "and is not tried again within the minute"
like "$(ctl secret list)" 'refused by the provider' "secret list says that it was refused"
head -c 400000 /dev/zero | tr '\0' x > "$D/x"
printf '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"%s"}]}' "$(cat "$D/x")" > "$D/big"
post() { curl -s -o /dev/null -w '%{http_code}' --max-time 60 "$B/v1/chat/completions" -H "Authorization: Bearer $K" \
    -H 'Content-Type: application/json' --data-binary @"$1"; }
is "$(post "$D/big")" 200 "a body of 400 KB goes out under the previous key at once"
# Nothing is accepted any more.
accept sk-other
out=$(chat gpt-4o-mini hi -i)
like "$out" '^HTTP/1.1 502' "no key is accepted: 502"
unlike "$out" 'sk-' "and no key is shown"
n=$(grep -c '"event":"request"' "$D/provider.log")
chat gpt-4o-mini hi > /dev/null
is "$(($(grep -c '"event":"request"' "$D/provider.log") - n))" 1 "one attempt a call while every key is known to be refused"
# secret test
accept sk-good
is "$(printf sk-wrong | ctl secret set --now openai | grep -c shadowed)" 1 "a value for the vault"
printf sk-wrong | ctl secret set openai > /dev/null
like "$(ctl secret test openai)" 'refused +401' "test: the provider refuses it"
like "$(ctl secret list)" 'vault +staged' "it stays staged"
printf sk-good | ctl secret set openai > /dev/null
like "$(ctl secret test openai)" 'accepted +200.*vault' "test: the provider takes it, it serves"
rm "$S/OPENAI_API_KEY"; kill -HUP "$gw_pid"
soon 60 sees 'volume.*it is not there' ctl secret list
ctl secret delete openai > /dev/null
printf sk-good | ctl secret set openai > /dev/null
is "$(code chat gpt-4o-mini hi)" 200 "calls go out under it"
gw_stop
out=$(verify -v "$D/state" 2>&1 || verify "$D/state" 2>&1)
like "$(verify "$D/state" 2>&1)" 'open=0 .*: intact$' "auditverify: intact, nothing open"
unlike "$(cat "$D/log")" 'sk-(one|two|bad|good|wrong)' "no key in the log"
finish
