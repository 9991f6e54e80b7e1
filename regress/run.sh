#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh FILE ...: unit programs and scripts alike under one prove, one summary
# line, which stays in $REGRESS_LAST if that is set.  After a failure: what each
# failed check said, then the summary again.
set -eu
[ -d /proc/self ] || { echo "make regress needs /proc: mount it" >&2; exit 1; }
CMOCKA_MESSAGE_OUTPUT=TAP TESTDATA=${TESTDATA:-$(pwd)/../shared/testdata}
REGRESS_SAID=$(mktemp -d)
export CMOCKA_MESSAGE_OUTPUT TESTDATA REGRESS_SAID
trap 'rm -rf "$REGRESS_SAID"' EXIT
trap 'exit 1' INT TERM
last=${REGRESS_LAST:-$REGRESS_SAID/.prove}
r=0
: > "$last"
prove --exec 'sh regress/exec.sh' "$@" > "$last" 2>&1 & p=$!
tail -n +1 -f --pid=$p "$last" & t=$!
wait $p || r=$?
wait $t || :
[ $r != 0 ] || exit 0
echo
echo "What failed, in its own words:"
for rc in "$REGRESS_SAID"/*.rc; do
	said=${rc%.rc}
	[ "$(cat "$rc")" = 0 ] && ! grep -q '^not ok' "$said" && continue
	echo "$(basename "$said"): exit status $(cat "$rc")"
	awk '/^not ok/ { show = 1 } /^ok/ { show = 0 } show && n++ < 30' "$said" |
	    cut -c1-500
done
grep -E '^(Files=|Result:)' "$last"
exit $r
