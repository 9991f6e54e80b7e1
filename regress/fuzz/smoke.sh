# SPDX-License-Identifier: ISC
# A smoke of each fuzzer: its seeds, then some seconds of new inputs.  Long runs
# are made by hand: obj/fuzz/out/fuzz/fuzz_NAME -max_total_time=...
. regress/scenario/lib.sh
seconds=${FUZZ_SECONDS:-5}
for f in obj/fuzz/out/fuzz/fuzz_*; do
	[ -x "$f" ] || skip_all "no fuzzers were built (make fuzz-farm)"
	name=${f##*/fuzz_}
	mkdir -p "$D/$name"
	seeds=
	[ -d "regress/fuzz/seeds/$name" ] && seeds=regress/fuzz/seeds/$name
	# shellcheck disable=SC2086
	if "$f" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
	    -print_final_stats=1 -artifact_prefix="$D/" "$D/$name" $seeds \
	    > "$D/$name.log" 2>&1; then
		ok 0 "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$D/$name.log") executions"
	else
		ok 1 "$name"
		tail -n 20 "$D/$name.log" | sed 's/^/# /'
	fi
done
finish
