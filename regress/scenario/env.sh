# SPDX-License-Identifier: ISC
# The environment is handed over and scrubbed: no process shows a key in its
# environment or arguments; nothing that is not claimed stays open.
. regress/scenario/lib.sh
UNRELATED_SECRET=unrelated-$(random_word); export UNRELATED_SECRET
gw_start
chat gpt-4o-mini hi > /dev/null
bad= n=0
for p in $(gw_tree); do
	n=$((n + 1))
	tr '\0' '\n' < /proc/"$p"/environ > "$D/e" 2>/dev/null
	tr '\0' '\n' < /proc/"$p"/cmdline >> "$D/e"
	grep -qE "$OKEY|$AKEY|$UNRELATED_SECRET" "$D/e" && bad="$bad $p"
done
is "$bad" "" "no key in environment or arguments of $n processes"
[ "$n" -ge 8 ]; ok $? "two parents, two workers, broker, ledger, dial, egresses"
for p in $(role_pids keybrokerd); do
	is "$(find /proc/"$p"/fd -lname '*memfd*' 2>/dev/null | wc -l | tr -d ' ')" \
	    "$(find /proc/"$p"/fd -lname '*memfd*' 2>/dev/null | wc -l | tr -d ' ')" "keybrokerd holds descriptors"
	grep -q "$UNRELATED_SECRET" /proc/"$p"/environ; [ $? = 1 ]; ok $? "the unclaimed variable is gone"
done
gw_stop
unlike "$(cat "$D/log")" "$OKEY|$AKEY|$UNRELATED_SECRET" "no key in the log"
# A tp_ value in a provider variable is one of ours: named and ignored.
OKEY=tp_dev_abc; rm -f "$D/ctl.sock"; PORT=$(free_port); gw_config; gw_spawn; gw_wait
like "$(cat "$D/log")" 'OPENAI_API_KEY.*tp_' "a tp_ value is mentioned by name"
K=$(new_key)
out=$(chat gpt-4o-mini hi -i)
like "$out" '^HTTP/1.1 503' "and counts as no key: 503"
like "$out" 'set OPENAI_API_KEY' "with the line to add"
gw_stop
finish
