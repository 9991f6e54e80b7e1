# SPDX-License-Identifier: ISC
# Failing storage under a real gateway (audit.md 6.1-6.3): a full disk, no more
# inodes, a file system that went read-only, a flush that fails once, a flush
# that stalls.  While it fails no credential leaves, clients get 503 and a time
# to come back, running streams finish, strangers are still refused, a key can
# still be revoked, status answers; when the storage is back, so is service,
# and everything that was acknowledged is in the log.
. regress/scenario/lib.sh
LC_ALL=C; export LC_ALL
[ "$(id -u)" = 0 ] || skip_all "needs root: loop mounts"
command -v mkfs.ext4 > /dev/null || skip_all "mkfs.ext4 is not installed"
mounts=
unmount() {
	fsfreeze -u "$D/state" 2>/dev/null
	for m in $mounts; do umount "$m" 2>/dev/null || umount -l "$m" 2>/dev/null; done
	mounts=
}
leave() {
	[ -z "${load:-}" ] || { pkill -P "$load"; kill "$load"; } 2>/dev/null
	fsfreeze -u "$D/state" 2>/dev/null
	[ -z "$gw_pid" ] || { kill "$gw_pid"; sleep 0.3; kill "$gw_pid"; wait "$gw_pid"; } 2>/dev/null
	gw_pid=
	unmount
	cleanup
}
trap leave EXIT
# disk MiB [MKFS ARGS]: an image of that size, mounted as the state directory
disk() {
	size=$1; shift
	image=${image:-$D/image}
	rm -f "$image"; truncate -s "${size}M" "$image"
	mkfs.ext4 -q -F -m 0 "$@" "$image" || exit 1
	mkdir -p "$D/state"
	mounted
}
mounted() {
	mount -o loop "$image" "$D/state" || skip_all "loop mounts do not work here"
	mounts="$D/state $mounts"
	chmod 711 "$D/state"
}
drip=80
begin() {	# NAME: a gateway on the disk, load, two streams
	name=$1
	rm -f "$D/ctl.sock" "$D/vault.key" "$D/log"; : > "$D/provider.log"
	PORT=$(free_port); gw_start
	K1=$K; K2=$(new_key); id2=dk_$(printf %s "$K2" | sed 's/^tp_dev_//;s/_.*//')
	LOAD_OUT=$D/load.$name; export LOAD_OUT; : > "$LOAD_OUT"
	perl regress/scenario/load.pl "$PORT" "$K1" 8 36000 gpt-4o-mini & load=$!
	streams
}
streams() {	# one that ends in a while, one that will be cut
	: > "$D/finishes"; : > "$D/cut"
	chat_stream mode-drip-$drip-100 finishes --max-time 300 > "$D/finishes" & finishes=$!
	K=$K2; chat_stream mode-drip-6000-100 "is cut" --max-time 600 > "$D/cut" & cut=$!
	K=$K1
	for f in "$D/finishes" "$D/cut" "$LOAD_OUT"; do
		soon 60 [ -s "$f" ] || ok 1 "$name: nothing in $f"
	done
}
seen() { grep -c '"event":"request"' "$D/provider.log"; }
# What has left is there: ten looks in a row see as many requests.
settled() {
	s0=$(seen) same=0
	for _ in $(seq 600); do
		sleep 0.1
		s1=$(seen)
		[ "$s1" = "$s0" ] && same=$((same + 1)) || same=0
		s0=$s1
		[ $same -lt 10 ] || return 0
	done
	return 1
}
serves() { [ "$(code chat gpt-4o-mini "$name" --max-time 60)" = "$1" ]; }
ends() { ! kill -0 "$1" 2>/dev/null; }
unload() { pkill -P "$load"; kill "$load"; wait "$load" 2>/dev/null; load=; }
# What holds while it fails.
while_failing() {
	soon 60 serves 503; ok $? "$name: calls are refused with 503"
	settled; ok $? "$name: none is on its way any more"
	n=0
	for i in 1 2 3 4 5 6; do
		chat gpt-4o-mini "$name $i" -i --max-time 60 > "$D/answer"
		grep -q '^HTTP/1.1 503' "$D/answer" &&
		    grep -qi '^retry-after: [1-9]' "$D/answer" && n=$((n + 1))
	done
	is $n 6 "$name: each with Retry-After"
	is "$(seen)" "$s0" "$name: no credential left meanwhile"
	is "$(code curl -s --max-time 30 "$B/v1/chat/completions" -H "Authorization: Bearer tp_dev_nobody" -d '{}')" 401 "$name: a stranger gets 401"
	like "$(timeout 30 "$OUT/sbin/proxyctl" status 2>&1)" 'ledger|gate' "$name: status answers"
	kill -0 $cut 2>/dev/null; ok $? "$name: the other stream still runs"
	t=$(date +%s%N)
	timeout 120 "$OUT/sbin/proxyctl" key revoke "$id2" > "$D/revoked" 2>&1 & revoke=$!
	soon 30 ends $cut; r=$?
	t=$((($(date +%s%N) - t) / 1000000))
	[ $r = 0 ] && ! grep -q DONE "$D/cut"; ok $? "$name: revocation cuts it ($t ms)"
	wait $finishes
	like "$(tail -c 200 "$D/finishes")" 'DONE' "$name: the running stream finished"
}
recovered() {	# a role that died often is back after 60 s
	t=$(date +%s%N)
	soon 180 serves 200
	ok $? "$name: serves again $((($(date +%s%N) - t) / 1000000)) ms after the storage came back"
}
halt() {
	unload
	gw_stop
}
# Once per process: who failed did not try again.
aborts() {
	said=$(grep -c 'nothing is written any more' "$D/log")
	died=$(grep -c 'ledger, ended: killed by signal 6' "$D/log")
	[ "$said" -ge 1 ] && [ "$said" = "$died" ]
	ok $? "$name: each ledger that met it ended at once ($died)"
}
# The page cache is dropped: what counts is what is on the device.
complete() {
	soon 30 umount "$D/state"; mount -o loop "$image" "$D/state"
	verify -l "$D/state" > "$D/list" 2>&1
	like "$(tail -n 1 "$D/list")" ': intact$' "$name: $(tail -n 1 "$D/list" | cut -c1-150)"
	awk '$1 == 200 { print $2 }' "$LOAD_OUT" | sort -u > "$D/ids"
	grep -oE '\b[0-9a-f]{32}\b' "$D/list" | sort -u > "$D/logged"
	is "$(comm -23 "$D/ids" "$D/logged" | wc -l | tr -d ' ')" 0 "$name: every answered call is in the log ($(wc -l < "$D/ids" | tr -d ' '))"
	soon 30 umount "$D/state"; mounts=${mounts#* }
}

# --- less than 5 % free, then nothing at all ----------------------------------
disk 256
begin low
free=$(df -k --output=avail "$D/state" | tail -n 1)
fallocate -l $((free - 10000))k "$D/state/fill"
while_failing
wait $revoke; is $? 0 "low: the revocation was acknowledged: it still fits"
is "$(grep -c 'ended: killed' "$D/log")" 0 "low: nothing died"
rm "$D/state/fill"
recovered
name=full
K2=$(new_key); id2=dk_$(printf %s "$K2" | sed 's/^tp_dev_//;s/_.*//')
chat_stream mode-drip-6000-100 "is orphaned" --max-time 600 > "$D/orphaned" & orphan=$!
soon 60 [ -s "$D/orphaned" ]
streams
fallocate -l $((free - 10000))k "$D/state/fill"
cat /dev/zero > "$D/state/rest" 2>/dev/null
while_failing
soon 60 has "$D/log" 'nothing is written any more'
kill -9 "$(role_pid broker)"; wait $orphan
rm "$D/state/fill" "$D/state/rest"
recovered
out=$(OPENAI_API_KEY=sk-a timeout 60 "$OUT/sbin/proxyd" -d -c "$D/conf" -s "$D/state" 2>&1)
like "$out" "is used by proxyd, pid $gw_pid" "full: a second gateway on that state is refused"
halt
is "$gw_status" 0 "full: clean stop"
aborts
complete
like "$(tail -n 1 "$D/list")" 'orphans=[1-9]' "full: calls that the broker's death left open are orphans"

# --- no inodes -----------------------------------------------------------------
disk 64 -N 128
begin inodes
(cd "$D/state" && seq 200 | sed 's/^/f/' | xargs touch) 2>/dev/null
while_failing
rm -f "$D"/state/f[0-9]*
recovered
halt
aborts
complete

# --- a flush that fails: the image's own file system has no more room ---------
mkdir "$D/small"; mount -t tmpfs -o size=12m none "$D/small"; mounts="$D/small $mounts"
image=$D/small/image
disk 64 -O ^has_journal -b 4096 -E lazy_itable_init=1
# One page a request: of a longer one that fits in part only, the loop device
# says that it was written, so that the flush behind it is not one that fails.
loop=$(findmnt -no SOURCE "$D/state")
echo 4 > "/sys/block/${loop#/dev/}/queue/max_sectors_kb"
is "$(cat "/sys/block/${loop#/dev/}/queue/max_sectors_kb")" 4 "flush: the device takes a page at a time"
begin flush
cat /dev/zero > "$D/small/fill" 2>/dev/null
while_failing
# No load behind it: that alone would fill what is so small once more.
unload
rm "$D/small/fill"
recovered
gw_stop
aborts
like "$(grep 'nothing is written any more' "$D/log" | head -n 1)" 'flushed to the device|refused a write|Input/output|No space left on device' "flush: the device's own error: $(sed -n 's/.*ledger: \(.*\): nothing is written.*/\1/p' "$D/log" | head -n 1)"
complete
soon 30 umount "$D/small"; mounts=
image=$D/image

# --- the file system turns read-only -------------------------------------------
disk 64
begin readonly
# Not while a flush is under way: ext4 that is aborted in the middle of an
# fdatasync answers 0 for what it drops (19 of 60 tries on Linux 6.18, without
# any of our code), which no caller can see.  A stopped ledger has none.
l=$(role_pid ledger); kill -STOP "$l"
soon 30 has "/proc/$l/status" '^State:.T'
mount -o remount,abort "$D/state" 2>/dev/null
kill -CONT "$l"
while_failing
unload
kill "$gw_pid"; sleep 0.5; kill "$gw_pid" 2>/dev/null; wait "$gw_pid"; gw_pid=
aborts
soon 30 umount "$D/state"; mounts=; e2fsck -fy "$image" > /dev/null 2>&1
mounted
rm -f "$D/ctl.sock"; gw_spawn; gw_wait; ok $? "readonly: starts again after a check of the file system"
recovered
gw_stop
complete
like "$(tail -n 1 "$D/list")" 'open=0' "readonly: no call stays open"

# --- a flush that stalls ----------------------------------------------------------
disk 64
drip=150
begin stall
fsfreeze -f "$D/state"
while_failing
is "$(grep -c 'ended: killed' "$D/log")" 0 "stall: nothing died"
unload
settled
fsfreeze -u "$D/state"
sleep 1.5
is "$(seen)" "$s0" "stall: nothing is released after its deadline"
recovered
gw_stop
is "$gw_status" 0 "stall: clean stop"
complete
finish
