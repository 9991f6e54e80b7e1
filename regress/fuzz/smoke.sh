# SPDX-License-Identifier: ISC
# A smoke of each fuzzer (S16): its seeds, then some seconds of new inputs; at
# least the executions and edges of floor.txt; and a planted bug is found.  Long
# runs are made by hand: obj/fuzz/out/fuzz/fuzz_NAME -max_total_time=...
. regress/scenario/lib.sh
seconds=${FUZZ_SECONDS:-10}
smoke() {	# PROGRAM NAME SECONDS
	mkdir -p "$D/$2"
	seeds=
	[ -d "regress/fuzz/seeds/$2" ] && seeds=regress/fuzz/seeds/$2
	# shellcheck disable=SC2086
	"$1" -max_total_time="$3" -timeout=10 -rss_limit_mb=1024 \
	    -print_final_stats=1 -artifact_prefix="$D/" "$D/$2" $seeds \
	    > "$D/$2.log" 2>&1
}
for f in obj/fuzz/out/fuzz/fuzz_*; do
	[ -x "$f" ] || skip_all "no fuzzers were built (make fuzz-farm)"
	name=${f##*/fuzz_}
	smoke "$f" "$name" "$seconds"
	r=$?
	n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$D/$name.log")
	cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$D/$name.log" | tail -n 1)
	floor=$(grep "^$name " regress/fuzz/floor.txt)
	# shellcheck disable=SC2086
	set -- ${floor:-$name 1 1}
	[ $r = 0 ] && [ "${n:-0}" -ge "$2" ] && [ "${cov:-0}" -ge "$3" ]
	ok $? "$name: ${n:-0} executions (floor $2), ${cov:-0} edges (floor $3)"
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
smoke "$D/fuzz_planted" msg 30
[ $? != 0 ] && grep -q 'ERROR: AddressSanitizer\|runtime error\|deadly signal' "$D/msg.log"
ok $? "and found"
finish
