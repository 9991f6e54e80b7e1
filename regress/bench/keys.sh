# SPDX-License-Identifier: ISC
# make bench-keys: the numbers of keys.  Each line is a measurement, with the
# bound that it is held against.
. regress/scenario/lib.sh
"$OUT/regress/bench-authn" > "$D/authn"; r=$?
sed 's/^/# /' "$D/authn"
ok $r "100,000 keys add at most 5 us CPU to an authentication"
gw_start
A=$(ctl admin-key)
value() { sed -n "s/^$1 //p" "$D/out"; }
for mode in quiet stalled; do
	[ $mode = quiet ] && pid= || pid=$(role_pid ledger)
	perl regress/scenario/revoke.pl "$PORT" "$A" 100 $pid > "$D/out" 2>&1
	diag "$mode: $(value open) streams open, $(value revoked) keys revoked: to the last byte p50 $(value p50_ms) ms, p99 $(value p99_ms) ms"
	awk "BEGIN { exit !($(value p99_ms) <= 50) }"; ok $? "$mode: at most 50 ms at p99"
	is "$(value error_events)" "$(value revoked)" "$mode: an error event each"
done
gw_stop
finish
