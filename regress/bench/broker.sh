# SPDX-License-Identifier: ISC
# broker.sh: what a call costs the broker alone (regress/bench/broker.c).
# Started by make bench-broker from the top of the checkout.
#
#	GROUP=9		calls in a batch; under load there are about nine
#	CALLS=2700	that are counted
#
# CPU time depends on what else the machine does; instructions do not, and
# valgrind counts them, where it is installed, with the functions that need
# most.  It knows no SHA instructions: libcrypto's share is too large there.
GROUP=${GROUP:-9} CALLS=${CALLS:-2700}
out/regress/bench-broker "$GROUP" 10000 || exit 1
command -v valgrind >/dev/null || { echo "no valgrind: nothing is counted"; exit 0; }
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
valgrind -q --tool=callgrind --callgrind-out-file="$D/out" \
    --toggle-collect=measured_step --toggle-collect=measured_turn \
    out/regress/bench-broker "$GROUP" $((CALLS / GROUP)) >/dev/null || exit 1
callgrind_annotate --threshold=95 "$D/out" | awk -v n=$((CALLS / GROUP * GROUP)) '
/PROGRAM TOTALS/ { gsub(",", "", $1); printf "instructions a call: %.0f\n", $1 / n; on = 1; next }
on && /^ *[0-9]/ { gsub(",", "", $1); v = $1 / n; sub(/^ *[^ ]+ +\([^)]*\) +/, "")
	sub(/^[^ ]*\//, ""); sub(/ \[.*\//, " ["); printf "%8.0f %s\n", v, $0 }'
