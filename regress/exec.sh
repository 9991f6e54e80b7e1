#!/bin/sh
# SPDX-License-Identifier: ISC
# exec.sh FILE: how prove starts one test.  What it says is kept in $REGRESS_SAID
# too, so that run.sh can show the failures' own words at the end.
case $1 in
*.sh) set -- sh "$1" ;;
esac
[ -n "${REGRESS_SAID:-}" ] || exec "$@"
for last; do :; done
said=$REGRESS_SAID/$(basename "$last")
{ "$@"; echo $? > "$said.rc"; } | tee "$said"
exit "$(cat "$said.rc" 2>/dev/null || echo 255)"
