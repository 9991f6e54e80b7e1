# SPDX-License-Identifier: ISC
# A smoke of each fuzzer (S16): its seeds, then new inputs up to 100,000
# executions, however long a slow machine takes for them; the edges of floor.txt
# are reached; and a planted bug is found.  The seed of the random numbers is
# fixed: the edges are the same on each machine.  Longer runs are made by hand:
# obj/fuzz/out/fuzz/fuzz_NAME -max_total_time=...
. regress/scenario/lib.sh
runs=${FUZZ_RUNS:-100000}
smoke() {	# PROGRAM NAME RUNS
	mkdir -p "$D/$2"
	seeds=
	[ -d "regress/fuzz/seeds/$2" ] && seeds=regress/fuzz/seeds/$2
	# shellcheck disable=SC2086
	"$1" -runs="$3" -seed=1 -max_total_time=900 -timeout=60 \
	    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$D/" \
	    "$D/$2" $seeds > "$D/$2.log" 2>&1
}
for f in obj/fuzz/out/fuzz/fuzz_*; do
	[ -x "$f" ] || skip_all "no fuzzers were built (make fuzz-farm)"
	name=${f##*/fuzz_}
	t=$(date +%s%3N)
	smoke "$f" "$name" "$runs"
	r=$?
	t=$(($(date +%s%3N) - t))
	n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$D/$name.log")
	cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$D/$name.log" | tail -n 1)
	floor=$(sed -n "s/^$name //p" regress/fuzz/floor.txt)
	[ $r = 0 ] && [ "${n:-0}" -ge "$runs" ] && [ "${cov:-0}" -ge "${floor:-1}" ]
	ok $? "$name: ${n:-0} executions, ${cov:-0} edges (floor ${floor:-1})"
	diag "$name: $t ms"
	[ $r = 0 ] || tail -n 20 "$D/$name.log" | sed 's/^/# /'
done

# The control: a reader of messages that forgot its bound.
sed 's/if (r->bad || n > r->len - r->off)/if (r->bad)/' common/ipc/msg.c > "$D/msg.c"
cmp -s common/ipc/msg.c "$D/msg.c"
is $? 1 "a bug is planted"
clang-14 -w -D_GNU_SOURCE -isystem /usr/include/bsd -DLIBBSD_OVERLAY -I. -O1 -g \
    -fsanitize=address,undefined,fuzzer -o "$D/fuzz_planted" regress/fuzz/fuzz_msg.c \
    "$D/msg.c" obj/fuzz/out/lib/libcommon.a -lbsd 2> "$D/planted.err" ||
    sed 's/^/# /' "$D/planted.err"
smoke "$D/fuzz_planted" msg 10000000
[ $? != 0 ] && grep -q 'ERROR: AddressSanitizer\|runtime error\|deadly signal' "$D/msg.log"
ok $? "and found"
finish
