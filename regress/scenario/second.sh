# SPDX-License-Identifier: ISC
# A second gateway on the same state, or on the same address, exits with a clear
# word and harms nothing (X1).
. regress/scenario/lib.sh
gw_start
first=$gw_pid
mkdir "$D/c2"; cp "$D"/conf/* "$D/c2/"
sed -i "s/port $PORT/port $(free_port)/" "$D/c2/proxyd.conf"
sed -i "s,$D/ctl.sock,$D/ctl2.sock," "$D/c2/keybrokerd.conf"
out=$(OPENAI_API_KEY=sk-a timeout 60 "$OUT/sbin/proxyd" -d -c "$D/c2" -s "$D/state" 2>&1); r=$?
[ $r != 0 ] && [ $r != 124 ]; ok $? "same state: exits ($r)"
like "$out" "is used by proxyd, pid $first" "and names the pid"
sed -i "s/port .*/port $PORT/" "$D/c2/proxyd.conf"
out=$(OPENAI_API_KEY=sk-a timeout 60 "$OUT/sbin/proxyd" -d -c "$D/c2" -s "$D/state2" 2>&1); r=$?
[ $r != 0 ] && [ $r != 124 ]; ok $? "same address, other state: exits ($r)"
like "$out" "$PORT.*[Aa]ddress already in use" "and says why"
n=0
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ "$(code chat gpt-4o-mini x)" = 200 ] && n=$((n + 1))
done
is $n 10 "the first serves on, every connection"
gw_stop
is "$gw_status" 0 "and stops cleanly"
finish
