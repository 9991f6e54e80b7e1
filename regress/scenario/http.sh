# SPDX-License-Identifier: ISC
# HTTP at the front: each row of default deny as raw bytes to the running
# gateway, whole and byte by byte; then time limits, size limits, pipelining.
# Nothing of a refused request reaches the provider.
. regress/scenario/lib.sh
. regress/scenario/perl.inc
EXTRA_P='limit header 60
limit idle 600'
gw_start
A=$(ctl admin-key)
run_perl rawhttp.pl "$PORT" "$K" "$A" "$D/provider.log" bytes
good=$(sed -n 's/^# good calls //p' "$D/perl.out")
# Short limits for what waits for them only: all else may take its time.
gw_stop
EXTRA_P='limit header 2
limit idle 2'
gw_config; gw_spawn; gw_wait
run_perl rawhttp.pl "$PORT" "$K" "$A" "$D/provider.log" time
good=$((good + $(sed -n 's/^# good calls //p' "$D/perl.out")))
is "$(grep -c '"event":"request"' "$D/provider.log")" "$good" "the provider saw the good calls and no other"
is "$(grep -c refused- "$D/provider.log")" 0 "and no byte of a refused body"
gw_stop
last=$(verify "$D/state" 2>&1 | tail -n 1)
like "$last" "intents=$good outcomes=$good orphans=0 open=0 .*intact\$" "so says the record"
finish
