# SPDX-License-Identifier: ISC
# vault-format(5) by somebody else's hands: regress/vectors/vault.py, which has
# no code of ours, opens the page's own example and every row of a database that
# a running gateway wrote, with the key of vault.key.
. regress/scenario/lib.sh
py=$top/regress/vectors/vault.py
# --- the page's vectors: a line that is a key, lines that are rows
sed -n '/^As a file with the key/,$p' man/vault-format.5 | grep -x '[A-Za-z0-9+/]\{43\}=' > "$D/key"
sed -n '/^As a file with the key/,$p' man/vault-format.5 | grep '^[a-z0-9/]* v1:' > "$D/rows"
is "$(python3 "$py" "$D/key" "$D/rows" 2>&1 | sort | tr '\n' ' ')" "dek/6cqdraealymes $(seq 32 63 | xargs printf '%02x') \
legacy 706570706572 pepper/1 706570706572 pseudonym $(printf 'under the key before' | od -An -tx1 | tr -d ' \n') " "the page's example"
# --- a gateway's rows
OKEY=
gw_start
planted=sk-planted-$(random_word)
printf '%s\n' "$planted" | ctl secret set OPENAI_API_KEY > /dev/null
soon 30 serves 200
is "$(code chat gpt-4o-mini hi)" 200 "a stored key serves"
like "$(cat "$D/provider.log")" "$planted" "and is the one the provider saw"
printf 'spare-%s\n' "$planted" | ctl secret set SPARE_VALUE > /dev/null; ok $? "a value that no provider uses is stored"
db=$D/state/ledger/ledger.db
hex=$(printf %s "$planted" | od -An -tx1 | tr -d ' \n')
# The ledger holds its lock, and stands while its files are copied.
l=$(role_pid ledger); kill -STOP "$l"; soon 30 has "/proc/$l/status" '^State:.T'
mkdir "$D/copy"; cp "$db"* "$D/copy/"
kill -CONT "$l"
python3 "$py" "$D/vault.key" "$D/copy/ledger.db" > "$D/out" 2> "$D/err"
ok $? "Python opens the database of the running gateway"
sed 's/^/# /' "$D/err"
is "$(grep "^key/OPENAI_API_KEY " "$D/out" | cut -d' ' -f2 | cut -c17-)" "$hex" "and finds the stored key behind its time"
# --- another key in the file, a rotation: the same values under the new key
cp "$D/vault.key" "$D/first.key"
(umask 077; openssl rand -base64 32 > "$D/new.key"; mv "$D/new.key" "$D/vault.key")
like "$(ctl vault rotate 2>&1)" '[a-z2-7]{13}' "vault rotate takes another key from the file"
like "$(sed -n 's/^key.SPARE_VALUE .\{16\}//p' "$D/out")" "$(printf 'spare-%s' "$planted" | od -An -tx1 | tr -d ' \n')" "and the spare one"
gw_stop
python3 "$py" "$D/first.key" "$db" > /dev/null 2>&1; [ $? != 0 ]; ok $? "the first key opens not all any more"
python3 "$py" "$D/vault.key" "$db" | grep -v '^dek/' > "$D/out3"; ok $? "the new one does"
for n in pepper/1 pseudonym commitment fingerprint row-mac epoch-seed key/OPENAI_API_KEY key/SPARE_VALUE; do
	is "$(grep "^$n " "$D/out3")" "$(grep "^$n ." "$D/out" || echo none)" "$n is what it was"
done
python3 "$py" "$D/vault.key" "$db" > "$D/out2" 2>&1; ok $? "so when it has stopped"
rows=$(sqlite3 "$db" 'SELECT count(*) FROM state WHERE kind IN (2, 128)')
is "$(grep -c ' ' "$D/out2")" "$rows" "all $rows rows, none left out"
[ "$rows" -ge 7 ]; ok $? "there are records to open"
for n in pepper/1 pseudonym commitment fingerprint row-mac; do
	is "$(grep "^$n " "$D/out2" | awk '{ print length($2) }')" 64 "$n is 32 bytes"
done
# --- the failing side: another key, a moved row, a changed byte
head -c 32 /dev/urandom | base64 > "$D/other.key"
python3 "$py" "$D/other.key" "$db" > /dev/null 2>&1; [ $? != 0 ]; ok $? "another key opens nothing"
sqlite3 "$db" "SELECT CAST(id AS TEXT) || ' ' || CAST(value AS TEXT) FROM state WHERE kind IN (2, 128)" > "$D/lines"
grep '^pseudonym ' "$D/lines" | sed 's/^pseudonym/commitment/' > "$D/moved"
python3 "$py" "$D/vault.key" "$D/moved" > /dev/null 2>&1; [ $? != 0 ]; ok $? "a row under another name does not open"
grep '^pseudonym ' "$D/lines" | sed 's/\(....\)....$/\1AAAA/' > "$D/changed"
python3 "$py" "$D/vault.key" "$D/changed" > /dev/null 2>&1; [ $? != 0 ]; ok $? "a changed row does not open"
unlike "$(cat "$D/log"; strings "$db")" "$planted|$(cat "$D/vault.key")" "no log and no database shows the key or the secret"
finish
