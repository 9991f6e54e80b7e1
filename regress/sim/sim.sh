#!/bin/sh
# SPDX-License-Identifier: ISC
# 10,000 seeds of the gateway in one process without a finding, every kind of
# fault and every cell of appendix A often enough; then five planted bugs, each
# of which has to be found within as many seeds.
. regress/scenario/lib.sh

SEEDS=${SEEDS:-10000}
CC=${CC:-gcc}
CFLAGS="-std=gnu11 -D_GNU_SOURCE -isystem /usr/include/bsd -DLIBBSD_OVERLAY -I. -O2"

make -s out/sim/sim >/dev/null 2>"$D/make" ||
    { cat "$D/make"; echo "Bail out! the simulation does not build"; exit 1; }

out/sim/sim -s 7 -v > "$D/once"
out/sim/sim -s 7 -v > "$D/twice"
grep -v ' seeds in ' "$D/once" > "$D/a"
grep -v ' seeds in ' "$D/twice" > "$D/b"
[ "$(wc -l < "$D/a")" -gt 300 ] && cmp -s "$D/a" "$D/b"
ok $? "a seed replays exactly"

min=$((SEEDS / 10)),$((SEEDS / 100))
out/sim/sim -n "$SEEDS" -c "$min" > "$D/sim.out"
status=$?
sed 's/^not ok/# NOT OK/; s/^ok/# good/' "$D/sim.out"
is "$status" 0 "$SEEDS seeds: no finding, faults and cells reached ($min)"

# mutant NAME WANTED FILE SED [FILE SED]: the real files, changed.
mutant() {
	name=$1 wanted=$2
	shift 2
	objs=
	while [ $# -gt 0 ]; do
		src=$D/$name-$(basename "$1")
		sed "$2" "$1" > "$src"
		if cmp -s "$1" "$src"; then
			ok 1 "planted bug $name: $1 is not changed by it"
			return
		fi
		$CC $CFLAGS -c -o "$src.o" "$src" || {
			ok 1 "planted bug $name: $1 does not compile"
			return
		}
		objs="$objs $src.o"
		shift 2
	done
	sh mk/sim.sh "$D/$name" "$CC" "$CFLAGS" -Wl,--as-needed $objs
	"$D/$name" -n "$SEEDS" > "$D/$name.out"
	is "$?" 1 "planted bug $name is found"
	found=$(grep '^not ok' "$D/$name.out")
	like "${found#not ok - }" "$wanted" "... as what it is"
	diag "$found"
}

mutant no-digest 'provider holds a request that differs' \
    keybrokerd/egress/tail.c \
    's/if (!secret_equal(have, t->want, sizeof(have)))/if (0)/'
mutant repeated-number 'a second (answer|time)|two requests' \
    keybrokerd/broker/hear.c \
    's/if (no <= w->last_no) {/if (no == 0) {/'
mutant early-release 'RELEASE of call .* before its record is durable' \
    keybrokerd/broker/grant.c \
    's/if (t == NULL || c->intent < t->first || c->intent >= t->size)/if (t == NULL)/' \
    keybrokerd/broker/call.c \
    '/^judge(/,/^}/s/b->count.calls++;/&\
	(void)grant_release(b, b->tokens, c, arg->out);/'
mutant lost-drop 'its body still waits' \
    keybrokerd/broker/tell.c \
    '/^tell_drop(/,/^}/s/outbox_send(.*/(void)o;/'
mutant double-settle 'second outcome|which is not open' \
    keybrokerd/broker/call.c \
    '/\[CE_DONE\] =/,/}/s/owed }/missing }/'
finish
