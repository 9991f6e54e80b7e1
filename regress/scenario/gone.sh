# SPDX-License-Identifier: ISC
# A client that leaves (S13): in each phase of a call the provider sees its
# connection end; the times stand between the test's close and the provider's
# own log, both CLOCK_MONOTONIC.  N calls a phase; the target of 100 ms is
# printed; a second is asserted of the median, fifteen of each, since the machine
# may have other work.
. regress/scenario/lib.sh
. regress/scenario/perl.inc
gw_start
run_perl gone.pl "$PORT" "$K" "$D/provider.log" "${N:-40}" "$OUT/sbin/proxyctl" $(role_pids worker)
# The last outcomes are still on their way to the disk.
soon 60 sees '^open 0 of' ctl status
status=$(ctl status)
like "$status" '^open 0 of' "no call is left open"
like "$status" '^gate open' "the gate is open"
like "$(chat gpt-4o-mini hello -i)" '^HTTP/1.1 200' "the next call is answered"
gw_stop
list=$(verify -l "$D/state" 2>&1)
like "$(printf '%s\n' "$list" | tail -n 1)" 'orphans=0 open=0 .*intact$' "each call has its outcome"
is "$(printf '%s\n' "$list" | grep -c '^entry .* call.intent')" \
    "$(printf '%s\n' "$list" | grep -c '^entry .* call.outcome')" "one each"
finish
