#!/bin/sh
# mutants.sh CC CFLAGS LDFLAGS ARCHIVES LIBS: each one-line mutant of call.c
# that regress/unit/call/mutants.txt lists must be caught by regress/unit/call.
# TAP; the unmutated file must pass first.
set -eu
cc=$1 cflags=$2 ldflags=$3 archives=$4 libs=$5
src=keybrokerd/broker/call.c
unit=regress/unit/call
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM

# run: builds $tmp/call.c over the archives (its object comes first) and runs
# the cells; the exit status is the test's.
run() {
	# shellcheck disable=SC2086
	$cc $cflags -w -c -o "$tmp/call.o" "$tmp/call.c" || return 99
	# shellcheck disable=SC2086
	$cc $cflags $ldflags -o "$tmp/unit" "$tmp/call.o" $unit/*.c $(cat $unit/wrap) \
	    -Wl,--start-group $archives -Wl,--end-group $libs || return 99
	timeout 120 "$tmp/unit" >"$tmp/log" 2>&1
}

grep -v '^#' $unit/mutants.txt >"$tmp/list"
echo "1..$(($(wc -l <"$tmp/list") + 1))"
cp $src "$tmp/call.c"
if run; then echo "ok 1 - call.c as it is passes"
else cat "$tmp/log"; echo "not ok 1 - call.c as it is passes"; exit 1; fi
n=1 bad=0
while IFS= read -r mutant; do
	n=$((n + 1))
	sed "$mutant" $src >"$tmp/call.c"
	if cmp -s $src "$tmp/call.c"; then
		echo "not ok $n - changes nothing: $mutant"; bad=1; continue
	fi
	rc=0; run || rc=$?
	if [ $rc -eq 0 ] || [ $rc -eq 99 ]; then
		[ $rc -eq 99 ] && why="does not build" || why="not caught"
		echo "not ok $n - $why: $mutant"; bad=1
	else
		echo "ok $n - caught: $mutant"
	fi
done <"$tmp/list"
exit $bad
