#!/bin/sh
# SPDX-License-Identifier: ISC
# model.sh: the release gate, searched whole by spin, and searched again with
# one rule taken away at a time, which must be found.  Run from the top.
. regress/scenario/lib.sh

for p in spin gcc; do
	command -v $p >/dev/null || skip_all "$p is not installed"
done
W=$D/model
mkdir "$W" && cp regress/model/gate.pml "$W/" || exit 1

# ---- the model speaks of the messages that exist ------------------------------
sed -n 's/^X(\([A-Z_]*\),[^,]*, *\(WB\|BE\|BL\), *\(UP\|DOWN\), *D,.*/\2 \3 \1/p' \
    common/ipc/proto.h | sort > "$W/proto"
sed -n 's,^/\* \([A-Z]*\) \([A-Z]*\) \*/[[:space:]]*mtype = {\(.*\)};,\1 \2 \3,p' \
    "$W/gate.pml" | tr -d , |
    awk '{ for (i = 3; i <= NF; i++) print $1, $2, $i }' | sort > "$W/model"
sed -n 's,^/\* NOT: \(.*\) \*/,\1,p' "$W/gate.pml" | tr ' ' '\n' | sort > "$W/not"

is "$(comm -23 "$W/model" "$W/proto")" "" \
    "each message of the model is one of proto.h: name, link, direction"
is "$(comm -13 "$W/model" "$W/proto" | sed 's/.* //' | sort)" "$(cat "$W/not")" \
    "each other message between worker, broker, egress, ledger is listed as left out"
n=$(wc -l < "$W/model")
ok "$([ "$n" -ge 15 ]; echo $?)" "the model has $n messages"
sed -n 's/^enum link_type {\(.*\)};/\1/p' common/ipc/link.h | tr ', ' '\n\n' |
    grep '^LF_' | sort > "$W/link"
is "$(grep -o '\<LF_[A-Z]*' "$W/gate.pml" | sort -u | comm -23 - "$W/link")" "" \
    "each frame of the model is one of link.h"
# mtype in one line that the sed above does not read would escape the test.
is "$(grep -c 'mtype = {' "$W/gate.pml")" 7 "no message is declared elsewhere"

# search NAME -O [-D...]: builds pan and runs it, in a directory of its own.  The
# compiler takes longer than a short search: -O1 pays for a long one only.
search() {
	d=$W/$1 opt=$2; shift 2
	mkdir "$d" && cp "$W/gate.pml" "$d/"
	( cd "$d" && spin "$@" -a gate.pml >spin.out 2>&1 &&
	    gcc $opt -w -DSAFETY -DNOFAIR -DMEMLIM=3800 -o pan pan.c >gcc.out 2>&1 &&
	    ./pan -m100000 -w24 -n >out 2>&1 )
	cat "$d/spin.out" "$d/gcc.out" "$d/out" 2>/dev/null > "$d/all"
}
states() { sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$W/$1/out"; }

# ---- the gate as it is ----------------------------------------------------------
whole() {
	name=$1 what=$2; shift 2
	t=$(date +%s)
	search "$name" -O1 "$@"
	s=$(states "$name")
	diag "$what: ${s:-no} states stored, $(sed -n \
	    's/^ *\([0-9]*\) transitions.*/\1/p' "$W/$name/out") transitions," \
	    "$(sed -n 's/^ *\([0-9.]*\)[[:space:]]*total actual.*/\1/p' \
	    "$W/$name/out") MB, $(($(date +%s) - t)) s"
	like "$(cat "$W/$name/all")" 'errors: 0$' "$what: no violation"
	unlike "$(cat "$W/$name/all")" \
	    'max search depth too small|not completed|out of memory|aborted' \
	    "$what: nothing of the search was left out"
	total=$((total + ${s:-0}))
}
total=0
whole frames "one call at a time, any number of frames" -DROWS=1
ok "$([ "$(states frames)" -ge 1000000 ]; echo $?)" "at least 1,000,000 states"
whole rows "two calls at once" -DROWS=2 -DFRAMES=1
whole faults "with the loss of worker, egress, broker or a link" \
    -DROWS=1 -DFRAMES=2 -DFAULTS=1
diag "$total states in all"

# ---- weakened: each must be found, and by the claim that it breaks ----------------
weak() {
	search "$1" -O0 -DROWS=1 "-D$1"
	like "$(cat "$W/$1/all")" 'errors: 1$' "$1: a violation"
	like "$(grep '^pan:1' "$W/$1/out")" "$2" "$1: of the claim: $3"
	ok "$([ -s "$W/$1/gate.pml.trail" ]; echo $?)" "$1: its trail is written"
	diag "$1: $(grep '^pan:1' "$W/$1/out"), after $(states "$1") states"
}
weak NO_DIGEST 'body==.*record' "what goes out is the record's"
weak REPEAT_NUMBER 'refused' "a refused number never goes out"
weak NO_DROP 'offer.*shed' "a refused body does not stay at the egress"
weak EARLY_RELEASE 'durable>>' "no credential before the record is durable"
weak SETTLE_TWICE 'new_o.*closed' "one outcome only"
weak RESEND_WRITES 'i&durable' "a batch is written once"
weak LOST_OUTCOME 'durable==closed' "an outcome for each intent"
weak NEVER_SENT 'assertion violated 0' "(nothing goes out whole)"
finish
