# SPDX-License-Identifier: ISC
# Bodies arrive untouched (R5, S12): N bodies of every odd form through both
# dialects; what the provider received is what the client sent, or differs by
# exactly the edits that the rules name, made here a second time; the record
# has the same digest and the number of edits.
. regress/scenario/lib.sh
. regress/scenario/perl.inc
gw_start
run_perl untouched.pl send "$PORT" "$K" "$D/provider.log" "$D/calls" "${N:-1000}" "${SEED:-$$}"
gw_stop
verify -l "$D/state" > "$D/list" 2>&1
like "$(tail -n 1 "$D/list")" 'orphans=0 open=0 .*intact$' "the log is whole"
run_perl untouched.pl record "$D/list" "$D/calls"
finish
