# SPDX-License-Identifier: ISC
# peerlib.sh: what the peer tests share.
. regress/scenario/lib.sh
PEERS=${PEERS:-$top/obj/peers}
need_peer() {
	[ -f "$PEERS/$1.skip" ] && skip_all "$(cat "$PEERS/$1.skip")"
	return 0
}
# Lines "PASS name" and "FAIL name: why" of a client become TAP.
report() {
	while IFS= read -r line; do
		case $line in
		"PASS "*) ok 0 "$peer: ${line#PASS }" ;;
		"FAIL "*) ok 1 "$peer: ${line#FAIL }" ;;
		*) diag "$line" ;;
		esac
	done < "$D/out"
}
client() {
	peer=$1; shift
	OPENAI_BASE_URL=$B/v1 OPENAI_API_KEY=$K ANTHROPIC_BASE_URL=$B \
	    ANTHROPIC_API_KEY=$K timeout 120 "$@" > "$D/out" 2>&1
	r=$?
	report
	is $r 0 "$peer: client ends well"
}
# After the clients: the log is whole and nothing of ours reached the provider.
settle() {
	gw_stop
	like "$(verify "$D/state" 2>&1 | tail -n 1)" ': intact$' "the log is intact"
	unlike "$(cat "$D/provider.log")" 'tp_dev_' "the provider saw no key of ours"
}
