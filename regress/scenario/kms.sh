# SPDX-License-Identifier: ISC
# The vault key from a KMS, with real daemons against the fakes: first run,
# restart, the KMS away while calls go on and at the start, init, what ends a
# start, and how much longer it takes.
. regress/scenario/lib.sh
. regress/scenario/kmslife.inc
fake_start
ready() { # its egress is up, too
	for _ in $(seq 1200); do
		curl -sf -o /dev/null --max-time 30 "$B/health/ready" && return 0
		sleep 0.05
	done
	return 1
}
call() { code chat gpt-4o-mini "$1"; }
fresh() { rm -rf "$D/state" "$D/ctl.sock" "$D/log"; : > "$D/log"; TK=; }

for f in vault transit aws; do
	fresh; kms_env $f
	OKEY= AKEY=; gw_start
	is "$(call x)" 503 "$f: no provider secret yet"
	sk=sk-vault-$(random_word)
	printf %s "$sk" | ctl secret set --now openai > /dev/null; ok $? "$f: one is stored in the vault"
	ready; w=$(random_word)
	is "$(call "$w")" 200 "$f: first run, a call goes out"
	like "$(grep "$w" "$D/provider.log")" "$sk" "$f: with the stored secret"
	gw_stop; is "$gw_status" 0 "$f: stops"
	gw_spawn; gw_wait && ready; ok $? "$f: starts again"
	is "$(call again)" 200 "$f: what was stored is there"
	fake_stop
	is "$(call away)" 200 "$f: the KMS is away, calls go on"
	gw_stop; gw_spawn
	kms_waits; ok $? "$f: a start without the KMS waits"
	is "$(code curl -s "$B/health/live")" 200 "$f: ... live"
	is "$(code curl -s "$B/health/startup")" 503 "$f: ... not started"
	like "$(curl -s "$B/health/ready")" '"vault_key":"unavailable"},"detail":"waits for the KMS' "$f: ... not ready, and why"
	is "$(call early)" 503 "$f: ... a call is refused, its key is not"
	like "$(ctl status 2>&1)" '127\.0\.0\.1' "$f: ... status names on whom"
	like "$(cat "$D/log")" 'waits for the KMS: .*127\.0\.0\.1' "$f: ... so does the log"
	fake_start
	gw_wait && ready; ok $? "$f: the KMS is back, it serves"
	is "$(call back)" 200 "$f: ... calls go out"
	gw_stop
	unlike "$(cat "$D/log")" 'sandbox|s\.root|secret-1|wJalrFAKE' "$f: no violation, no credential in the log"
done

# Stopped while it waits.
fake_stop; gw_spawn; kms_waits
t=$(date +%s); gw_stop
is "$gw_status" 0 "stops while it waits"
[ $(($(date +%s) - t)) -le 8 ]; ok $? "... soon"
# systemd hears on whom it waits, and is asked for patience.
perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die;
    $| = 1; while (defined $s->recv(my $m, 4096)) { print $m }' "$D/notify" > "$D/notified" &
listener=$!
soon 30 [ -S "$D/notify" ]
NOTIFY_SOCKET=$D/notify; export NOTIFY_SOCKET
gw_spawn; kms_waits; fake_start; gw_wait; soon 60 has "$D/notified" READY; gw_stop
unset NOTIFY_SOCKET; kill $listener; wait $listener 2>/dev/null
like "$(tr '\n' ' ' < "$D/notified")" 'STATUS=waits for the KMS: .*EXTEND_TIMEOUT_USEC=60000000 .*READY=1' \
    "systemd: STATUS=, patience, then READY=1"
unlike "$(sed '/STATUS=waits/,$d' "$D/notified")" READY "... and not before"

# ends STATUS NAME PATTERN: a start that ends by itself
ends() {
	gw_spawn; wait "$gw_pid"; s=$?; gw_pid=
	is "$s" "$1" "$2: exit $1"
	like "$(tail -n 12 "$D/log")" "$3" "... and says why"
}
fake_mode denied
ends 78 "the KMS denies access" 'kms:Decrypt'
fake_mode ok
AWS_SECRET_ACCESS_KEY=wrong ends 78 "a wrong credential" 'credential|signature'
fake_stop
EXTRA_K="kms start-deadline 1s"; gw_config
ends 75 "start-deadline" 'start-deadline|within 1 s'
EXTRA_K=; gw_config

# A role that hangs on a KMS that hangs does not outlive its gateway.
fake_start; fake_mode hang-head
gw_spawn
soon 60 sees '"hang-head", "POST"' curl -s "http://127.0.0.1:$FP/m/hang-head/_seen"
p=$(role_pid kms); [ -n "$p" ]; ok $? "kms waits for a KMS that hangs"
gw_stop
kill -0 "$p" 2>/dev/null; is $? 1 "... and ends with the gateway"
fake_mode ok

# ---- init
init() { "$OUT/sbin/keybrokerd" init -c "$D/conf" -s "$D/state" "$@"; }
fresh; kms_env transit; fake_stop
EXTRA_K="kms start-deadline 1s"; gw_config
init > "$D/o" 2> "$D/e"
is $? 75 "init without the KMS: exit 75"
is "$(cat "$D/o"; ls "$D/state/ledger")" "" "... makes nothing, leaves no database"
EXTRA_K=; gw_config
fake_start -D 2000	# the first is at work when the second comes
init > "$D/o1" 2> "$D/e1" & a=$!
init > "$D/o2" 2> "$D/e2" & b=$!
wait $a; sa=$?; wait $b; sb=$?
is "$((sa + sb)):$((sa * sb))" 1:0 "two inits at once: one makes it, one is refused"
like "$(cat "$D/e1" "$D/e2")" 'is used by proxyd, pid' "... since the other is at work"
is "$(cat "$D/o1" "$D/o2" | grep -c '^TAPPASS_VAULT_DEK=.')" 1 "... one wrapped key is printed"
dek=$(cat "$D/o1" "$D/o2" | sed -n 's/^TAPPASS_VAULT_DEK=//p')
init > "$D/o" 2>&1; is $? 0 "init again: nothing to do"
like "$(cat "$D/o")" 'already initialised' "... and says so"
fake_stop; fake_start
TAPPASS_VAULT_DEK=$dek; export TAPPASS_VAULT_DEK
OKEY=sk-x gw_start
is "$(call x)" 200 "what init made serves, with the wrapped key in the environment"
gw_stop
unset TAPPASS_VAULT_DEK
gw_spawn; gw_wait; ok $? "... and without: the state has it beside the data"
gw_stop
fresh; kms_env vault
init > "$D/o" 2> "$D/e"; is $? 0 "init where the KMS has the key itself"
is "$(cat "$D/o")" "" "... prints nothing to store"
gw_spawn; gw_wait; ok $? "... and serves"
gw_stop

# ---- over TLS, trusted by VAULT_CACERT
fake_stop
sh etc/gencert "$D/tls" > /dev/null
FP=; fake_start -c "$D/tls/server.pem" -k "$D/tls/server.key"
fresh; kms_env vault; OKEY=sk-x
VAULT_ADDR=https://localhost:$FT VAULT_CACERT=$D/tls/ca.pem; export VAULT_ADDR VAULT_CACERT
gw_start; like "$(chat gpt-4o-mini x)" '"content"' "TLS, by the CA that VAULT_CACERT names"
gw_stop
unset VAULT_CACERT
ends 78 "a CA that nobody named" 'certificate|trust'
fake_stop

# ---- how long: medians of starts with a state that is there
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
one() {
	perl regress/scenario/starttime.pl "$D/n" "$OUT/sbin/proxyd" -d -c "$D/conf" -s "$D/state" 2>> "$D/log"
}
starts() { one > /dev/null; for _ in 1 2 3 4 5; do one; done | median; }
unset TAPPASS_VAULT_KEY_KMS
fresh; TAPPASS_VAULT_KEY=$(head -c 32 /dev/urandom | base64); export TAPPASS_VAULT_KEY
OPENAI_API_KEY=sk-x; export OPENAI_API_KEY
raw=$(starts)
unset TAPPASS_VAULT_KEY
FP=; fake_start -D 5
for f in vault aws; do
	fresh; kms_env $f
	with=$(starts)
	diag "start to READY=1: raw key $raw ms, $f at 5 ms $with ms: $(echo "$with $raw" | awk '{ printf "%.1f", $1 - $2 }') ms more (wanted: 100 at most)"
	like "$with" '^[0-9.]+$' "$f: the start time was measured"
done
finish
