# SPDX-License-Identifier: ISC
# Large bodies: each size on its way, many at once, and a stranger's upload,
# which is answered before it is read.
. regress/scenario/lib.sh
. regress/scenario/perl.inc
gw_start
run_perl large.pl "$PORT" "$K" "$D/provider.log"
good=$(sed -n 's/^# good calls //p' "$D/perl.out")
for r in worker egress broker keybrokerd proxyd; do
	for p in $(role_pids $r); do
		kb=$(awk '/^VmHWM/ { print $2 }' /proc/"$p"/status)
		diag "$r $p: $kb KiB at most"
		[ $r = worker ] || { [ "$kb" -lt 65536 ]; ok $? "$r holds no body"; }
	done
done
gw_stop
like "$(verify "$D/state" | tail -n 1)" "intents=$good outcomes=$good orphans=0 open=0 .*intact\$" "the record has them all"
finish
