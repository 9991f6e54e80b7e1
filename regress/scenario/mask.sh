# SPDX-License-Identifier: ISC
# The credential is masked (S14): in JSON, in a stream and in a header, cut at
# every place, byte by byte; the text around it arrives.
. regress/scenario/lib.sh
. regress/scenario/perl.inc
gw_start
run_perl mask.pl "$PORT" "$K" "$OKEY" "$AKEY"
unlike "$(cat "$D/log")" "$OKEY|$AKEY" "nor does the log hold it"
gw_stop
list=$(verify -l "$D/state" 2>&1)
unlike "$list" "$OKEY|$AKEY" "nor the record"
like "$(printf '%s\n' "$list" | tail -n 1)" 'orphans=0 open=0 .*intact$' "which is whole"
finish
