#!/bin/sh
# fuzz.sh OUT CC CFLAGS ARCHIVES LIBS: one libFuzzer program.
set -eu
out=$1 cc=$2 cflags=$3 archives=$4 libs=$5
src=regress/fuzz/$(basename "$out").c
if [ -x "$out" ]; then
	new=$(find -L "$src" $archives -newer "$out" | head -n 1)
	[ -n "$new" ] || exit 0
fi
# shellcheck disable=SC2086
$cc $cflags -fsanitize=fuzzer -o "$out" "$src" \
    -Wl,--start-group $archives -Wl,--end-group $libs
