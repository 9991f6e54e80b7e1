# SPDX-License-Identifier: ISC
# Power cut (audit.md 6.1 G3): the device below the state directory is copied
# at random instants under load, with the system's own writeback switched off,
# so that a copy holds what was flushed and nothing else.  On each copy the log
# must verify and hold every call that a client had its answer of; on some of
# them the gateway is started.  CUTS=n (20).  The control does not sync.
. regress/scenario/lib.sh
LC_ALL=C; export LC_ALL
cuts=${CUTS:-20}
[ "$(id -u)" = 0 ] || skip_all "needs root: loop mounts"
command -v mkfs.ext4 > /dev/null || skip_all "mkfs.ext4 is not installed"
[ -x obj/nosync/out/sbin/proxyd ] || skip_all "make nosync first"
case $(stat -f -c %T "$D") in tmpfs | overlay*)
	skip_all "TMPDIR must be on a disk, not on $(stat -f -c %T "$D")" ;;
esac
vm=/proc/sys/vm/dirty_writeback_centisecs
wb=$(cat $vm)
leave() {
	echo "$wb" > $vm
	[ -z "${load:-}" ] || { pkill -P "$load"; kill "$load"; } 2>/dev/null
	[ -z "$gw_pid" ] || { kill -CONT $(gw_tree); kill "$gw_pid"; wait "$gw_pid"; } 2>/dev/null
	gw_pid=
	umount "$D/state" 2>/dev/null; umount "$D/cut/state" 2>/dev/null
	cleanup
}
trap leave EXIT
echo 0 > $vm || skip_all "writeback cannot be switched off here"

answered() { [ "$(grep -c '^200 ' "$LOAD_OUT")" -ge "$1" ]; }
stand() {
	for p in "$@"; do
		case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$p/status" 2>/dev/null) in
		T*|Z*|'') ;;
		*) return 1 ;;
		esac
	done
}
# campaign CUTS: copies $D/cut.N, what was answered before each $D/acked.N
campaign() {
	rm -f "$D"/cut.* "$D"/acked.* "$D/ctl.sock" "$D/vault.key"
	truncate -s 0 "$D/image"; truncate -s 64M "$D/image"
	mkfs.ext4 -q -F -m 0 "$D/image" || exit 1
	mkdir -p "$D/state"; mount -o loop,commit=3600 "$D/image" "$D/state" ||
	    skip_all "loop mounts do not work here"
	chmod 711 "$D/state"
	PORT=$(free_port); gw_start
	LOAD_OUT=$D/load; export LOAD_OUT; : > "$LOAD_OUT"
	perl regress/scenario/load.pl "$PORT" "$K" 16 36000 gpt-4o-mini & load=$!
	soon 60 answered 100
	i=0
	while [ $i -lt "$1" ]; do
		i=$((i + 1))
		perl -e 'select undef, undef, undef, 0.02 + rand 0.4'
		tree=$(gw_tree)
		kill -STOP $tree
		# A flush under way ends before its process stands.
		soon 60 stand $tree || ok 1 "cut $i: the gateway does not stand"
		sleep 0.05	# answers on their way arrive
		awk '$1 == 200 { print $2 }' "$LOAD_OUT" | sort -u > "$D/acked.$i"
		cp --sparse=always "$D/image" "$D/cut.$i"
		kill -CONT $tree
	done
	pkill -P $load; kill $load; wait $load 2>/dev/null; load=
	gw_stop
	soon 30 umount "$D/state"
}
# One copy: $D/verdict is empty if all is well.
judge() {
	mkdir -p "$D/cut/state"
	: > "$D/verdict"
	mount -o loop "$D/cut.$1" "$D/cut/state" || { echo "no mount" > "$D/verdict"; return; }
	look "$1" "as it is"
	if [ "$2" = 1 ] && [ ! -s "$D/verdict" ]; then
		start_there
		look "$1" "after a start"
	fi
	soon 30 umount "$D/cut/state"
}
look() {
	verify -l "$D/cut/state" > "$D/list" 2>&1
	tail -n 1 "$D/list" | grep -q ': intact$' ||
	    echo "$2: $(tail -n 1 "$D/list")" >> "$D/verdict"
	grep -oE '\b[0-9a-f]{32}\b' "$D/list" | sort -u > "$D/logged"
	lost=$(comm -23 "$D/acked.$1" "$D/logged" | wc -l | tr -d ' ')
	[ "$lost" = 0 ] || echo "$2: $lost answered calls are lost" >> "$D/verdict"
}
start_there() {
	PORT=$(free_port)
	rm -f "$D/ctl.sock"; gw_config
	OPENAI_API_KEY=$OKEY "$OUT/sbin/proxyd" -d -c "$D/conf" -s "$D/cut/state" >> "$D/log" 2>&1 &
	there=$!
	soon 60 curl -sf -o /dev/null "http://127.0.0.1:$PORT/health/startup"
	[ "$(code chat gpt-4o-mini there)" = 200 ] ||
	    echo "the gateway does not serve on it" >> "$D/verdict"
	kill $there; wait $there || echo "and does not stop cleanly" >> "$D/verdict"
}

campaign "$cuts"
bad=0 acked=0 started=0
for i in $(seq "$cuts"); do
	every=$((i % 5 == 0))
	judge "$i" $every
	started=$((started + every)) acked=$((acked + $(wc -l < "$D/acked.$i")))
	[ ! -s "$D/verdict" ] || { bad=$((bad + 1)); sed "s/^/# cut $i: /" "$D/verdict"; }
done
is $bad 0 "$cuts cuts of the power: each log verifies and has every answered call ($acked in all); the gateway served on $started of them"
last=$(wc -l < "$D/acked.$cuts")
[ "$last" -ge 100 ]; ok $? "$last calls were answered before the last one"

OUT=$top/obj/nosync/out
n=5
campaign $n
bad=0
for i in $(seq $n); do
	judge "$i" 0
	[ ! -s "$D/verdict" ] || bad=$((bad + 1))
done
diag "without sync: $(head -n 1 "$D/verdict" | cut -c1-150)"
is $bad $n "without sync each of $n cuts is noticed"
finish
