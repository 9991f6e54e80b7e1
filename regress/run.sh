#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh: unit programs and scripts alike under one prove, one summary line.
set -eu
[ -d /proc/self ] || { echo "make regress needs /proc: mount it" >&2; exit 1; }
CMOCKA_MESSAGE_OUTPUT=TAP TESTDATA=${TESTDATA:-$(pwd)/../shared/testdata}
export CMOCKA_MESSAGE_OUTPUT TESTDATA
# .sh files run under sh, programs by themselves.
exec prove --exec 'sh regress/exec.sh' "$@"
