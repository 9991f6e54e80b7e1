# SPDX-License-Identifier: ISC
# R1 and S2: canary keys are planted, mixed traffic is in flight, every process
# of the tree is searched in twelve encodings: found only where secrets.tbl
# allows.  A build whose secrets lie in ordinary pages shows that the search
# finds them in the egress and the broker; a canary written into each role that
# must not hold one is found there.
. regress/scenario/lib.sh
. regress/scenario/kmslife.inc
[ "$(id -u)" = 0 ] || skip_all "only root can read the memory of undumpable processes"
SW=$top/out/regress/sweep

JOBS=
traffic() {	# 60 calls in flight: streams, uploads, waits
	for i in $(seq 20); do chat_stream mode-drip-9000-100 "stream $i" --max-time 900 > /dev/null & JOBS="$JOBS $!"; done
	for i in $(seq 20); do chat mode-slow-first-500 "wait $i" --max-time 900 > /dev/null & JOBS="$JOBS $!"; done
	head -c 700000 /dev/zero | tr '\0' y > "$D/y"
	printf '{"model":"mode-slow-first-500","messages":[{"role":"user","content":"%s"}]}' "$(cat "$D/y")" > "$D/up.json"
	for i in $(seq 20); do
		curl -s --max-time 900 --limit-rate 20k -o /dev/null "$B/v1/chat/completions" -H "Authorization: Bearer $K" \
		    -H 'content-type: application/json' --data-binary @"$D/up.json" &
		JOBS="$JOBS $!"
	done
}
in_flight() { calls=$(ss -Htn state established "( sport = :$PORT )" 2>/dev/null | wc -l); [ "$calls" -ge 50 ]; }
# The calls' own end is of no interest: they are cut.
no_traffic() {
	# shellcheck disable=SC2086
	hang_up $JOBS
	JOBS=
}
role_name() { basename "$(readlink /proc/"$1"/exe)"; }
sweep_all() {
	{ echo "openai $OKEY"; echo "anthropic $AKEY"; echo "vault $VKEY"; echo "developer $K"
	    # a line inside the first prime
	    echo "listener $(sed -n 20p "$D/tls/server.key")"; } > "$D/patterns"
	# shellcheck disable=SC2046
	"$SW" "$D/patterns" $(gw_tree) > "$D/hits"
	grep '^hit' "$D/hits" | while read -r _ pid name enc count; do
		echo "$(role_name "$pid") $name $enc $count"
	done | sort > "$D/named"
}
# Allowed cells of secrets.tbl: holds, call.
allowed() {	# ROLE KIND
	case $2 in
	openai|anthropic) row=provider-key ;;
	vault) row=vault-key ;;
	developer) row=developer-key ;;
	listener) row=listener-key ;;
	token) row=kms-vault-token ;;
	secretid) row=kms-approle-secret ;;
	aws) row=kms-aws-key ;;
	esac
	awk -v row="$row" -v role="$1" '
	    /^# kind/ { for (i = 3; i <= NF; i++) col[$i] = i - 1 }
	    $1 == row { exit !($col[role] == "holds" || $col[role] == "call") }' common/secrets.tbl
}
outside() {
	while read -r role name enc count; do
		allowed "$role" "$name" || echo "$role:$name:$enc"
	done < "$D/named"
}

VKEY=$(head -c 32 /dev/urandom | base64 | tr -d '\n')
TAPPASS_VAULT_KEY=$VKEY; export TAPPASS_VAULT_KEY
sh etc/gencert -r "$D/tls"
TP=$(free_port)
EXTRA_P="listen on 127.0.0.1 port $TP tls certificate \"$D/tls/server.pem\" key \"$D/tls/server.key\""
WORKERS=2; gw_start
traffic
for i in $(seq 10); do
	curl -s --cacert "$D/tls/ca.pem" -o /dev/null "https://localhost:$TP/health"
done
soon 60 in_flight; ok $? "$calls client connections in flight"
total=0 bad= rounds=0
while [ $total -lt 1100000000 ] && [ $rounds -lt 12 ]; do
	sweep_all
	total=$((total + $(sed -n 's/^scanned \([0-9]*\) .*/\1/p' "$D/hits")))
	bad="$bad$(outside | tr '\n' ' ')"
	rounds=$((rounds + 1))
done
in_flight; ok $? "$calls client connections still in flight"
is "$bad" "" "no secret outside secrets.tbl"
[ $total -ge 1073741824 ]; ok $? "$total bytes scanned in $rounds rounds of $(gw_tree | wc -l) processes"
unlike "$(cat "$D/hits")" '^unreadable' "every process was readable"
like "$(cat "$D/named")" '^worker developer raw' "the developer's key is seen where it is presented"
# Controls: planted in each role that must not hold it.
for role in proxyd keybrokerd worker ledger dial tlskey export; do
	p=$(role_pid $role)
	c=canary-$(random_word)
	"$SW" -plant "$c" "$p" && echo "control $c" > "$D/c" &&
	    like "$("$SW" "$D/c" "$p")" "^hit $p control raw" "control: a leak in $role is found"
done
no_traffic
gw_stop
for f in "$D/log" "$D/state/ledger/"* "$D/state/export"; do
	grep -rqF -e "$OKEY" -e "$AKEY" -e "$VKEY" -e "$K" "$f"; [ $? = 1 ]; ok $? "no key in $(basename "$f")"
done

# Credentials of a KMS, while the role that has one of them waits for a service
# that hangs, and when there is no such role.
unset TAPPASS_VAULT_KEY
FAKE_TOKEN=hvs.$(random_word)$(random_word) FAKE_SECRET=$(random_word)$(random_word)
export FAKE_TOKEN FAKE_SECRET
fake_start
waits() { p=$(role_pid kms); [ -n "$p" ] && has "/proc/$p/status" '^Seccomp:.2'; }
for f in token secretid aws; do
	gw_pid=; rm -rf "$D/state" "$D/ctl.sock"
	case $f in
	token) kms_env vault; VAULT_TOKEN=$FAKE_TOKEN c=$FAKE_TOKEN ;;
	secretid) kms_env transit; VAULT_SECRET_ID=$FAKE_SECRET c=$FAKE_SECRET ;;
	aws) kms_env aws; AWS_SECRET_ACCESS_KEY=$FAKE_SECRET c=$FAKE_SECRET ;;
	esac
	PORT=$(free_port); fake_mode ok; gw_start
	chat gpt-4o-mini hello > /dev/null
	fake_mode hang-head
	ctl vault rotate > /dev/null 2>&1 & rotating=$!
	soon 30 waits; ok $? "$f: kms waits for its service"
	sleep 0.5
	echo "$f $c" > "$D/patterns"
	bad=
	for _ in 1 2; do
		# shellcheck disable=SC2046
		"$SW" "$D/patterns" $(gw_tree) > "$D/hits"
		bad="$bad$(grep '^hit' "$D/hits" | while read -r _ pid name enc count; do
			allowed "$(role_name "$pid")" "$name" || echo "$(role_name "$pid"):$name:$enc"
		done)"
		unlike "$(cat "$D/hits")" '^unreadable' "$f: every process was readable"
		p=$(role_pid kms); [ -z "$p" ] || kill -9 "$p"
	done
	is "$bad" "" "$f: in no process but kms, while it runs and after it"
	fake_mode ok; wait $rotating; gw_stop
	grep -qF -e "$c" "$D/log"; is $? 1 "$f: and not in the log"
done
fake_stop; kms_env none; unset TAPPASS_VAULT_KEY_KMS
TAPPASS_VAULT_KEY=$VKEY; export TAPPASS_VAULT_KEY

# The same tree with secrets in ordinary pages: now they must be found.
if [ -x obj/ordinary/out/sbin/proxyd ]; then
	gw_pid=; rm -rf "$D/state" "$D/ctl.sock"; PORT=$(free_port)
	OUT=$top/obj/ordinary/out; gw_start
	wait0=$(grep -c '"event":"request".*mode-slow-first' "$D/provider.log")
	for i in $(seq 10); do chat mode-slow-first-500 "wait $i" --max-time 900 > /dev/null & JOBS="$JOBS $!"; done
	arrived() { [ "$(grep -c '"event":"request".*mode-slow-first' "$D/provider.log")" -ge $((wait0 + 10)) ]; }
	soon 60 arrived; ok $? "ordinary pages: ten calls wait for the provider"
	sweep_all
	like "$(cat "$D/named")" '^broker openai raw' "ordinary pages: the key is found in the broker"
	like "$(cat "$D/named")" '^egress openai raw' "and in the egress during a call"
	like "$(cat "$D/named")" '^broker vault|^broker anthropic' "and the other secrets too"
	no_traffic
	gw_stop
else
	ok 1 "the build with ordinary pages is missing (make ordinary)"
fi
finish
