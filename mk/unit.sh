#!/bin/sh
# unit.sh OUT CC CFLAGS LDFLAGS ARCHIVES LIBS: one cmocka program from the .c
# files of regress/unit/<module>.  Rebuilt only if something is newer.
set -eu
out=$1 cc=$2 cflags=$3 ldflags=$4 archives=$5 libs=$6
src=regress/unit/$(basename "$out")
wrap=
[ -f "$src/wrap" ] && wrap=$(cat "$src/wrap")
if [ -x "$out" ]; then
	new=$(find -L "$src" $archives -newer "$out" | head -n 1)
	[ -n "$new" ] || exit 0
fi
# The archives depend on each other only through a test, hence the group.
# shellcheck disable=SC2086
$cc $cflags $ldflags -o "$out" "$src"/*.c $wrap \
    -Wl,--start-group $archives -Wl,--end-group $libs
