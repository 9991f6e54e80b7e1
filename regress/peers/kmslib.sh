# SPDX-License-Identifier: ISC
# kmslib.sh: the kms role alone against a real service, through kmsdrive.
. regress/scenario/lib.sh
PEERS=${PEERS:-$top/obj/peers}
need_peer() {
	[ -f "$PEERS/$1.skip" ] && skip_all "$(cat "$PEERS/$1.skip")"
	[ -e "$PEERS/$2" ] || skip_all "$1 is not installed below $PEERS"
}
drive=$top/out/regress/kmsdrive
make -s out/regress/kmsdrive || { ok 1 "kmsdrive builds"; finish; }
K1=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
# kms CLASS NAME ARGS...: one exchange; $line, $wrapped, $key hold its result
kms() {
	want=$1 name=$2; shift 2
	line=$("$drive" "$@" 2>&1)
	wrapped=$(expr "$line" : '.* wrapped=\([^ ]*\)')
	key=$(expr "$line" : '.* key=\([^ ]*\)')
	is "${line%% *}" "$want" "$name"
	[ "${line%% *}" = "$want" ] || diag "$line"
}
# wait_http URL: until something answers
wait_http() {
	i=0
	while [ $i -lt 100 ]; do
		curl -s -o /dev/null "$1" && return 0
		sleep 0.1; i=$((i + 1))
	done
	return 1
}
