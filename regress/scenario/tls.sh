# SPDX-License-Identifier: ISC
# TLS listeners: RSA and P-256, 1.2 and 1.3, nothing older; bodies, streams and
# many connections; certificates exchanged under load; tlskey stopped and
# killed; a handshake that stalls; memory of an idle connection.
. regress/scenario/lib.sh
command -v openssl >/dev/null || skip_all "the program openssl is not installed"
sh etc/gencert "$D/ec"; is $? 0 "gencert: P-256"
sh etc/gencert -r "$D/rsa"; is $? 0 "gencert: RSA"
EP=$(free_port) RP=$(free_port)
tls_line() { echo "listen on 127.0.0.1 port $1 tls certificate \"$D/$2/server.pem\" key \"$D/$2/server.key\""; }
EXTRA_P="$(tls_line "$EP" ec)
$(tls_line "$RP" rsa)"
WORKERS=1
gw_start
plain=$B
ca() { [ "$B" = "https://localhost:$RP" ] && echo "$D/rsa/ca.pem" || echo "$D/ec/ca.pem"; }
tchat() { chat "$@" --cacert "$(ca)"; }
tcode() { code chat "$@" --cacert "$(ca)"; }

# --- versions, keys, ALPN -----------------------------------------------------
for kind in ec:$EP rsa:$RP; do
	B=https://localhost:${kind#*:} k=${kind%%:*}
	for v in 1.2 1.3; do
		out=$(curl -sv --max-time 60 --tlsv$v --tls-max $v --cacert "$(ca)" "$B/health" 2>&1)
		like "$out" "SSL connection using TLSv$v" "$k: TLS $v"
		like "$out" 'server accepted http/1.1' "$k: TLS $v, ALPN http/1.1"
		like "$(tchat gpt-4o-mini "over $k $v" --tls-max $v)" "You said: over $k $v" "$k: TLS $v, a call"
	done
	for v in tls1 tls1_1; do
		out=$(openssl s_client -connect "127.0.0.1:${kind#*:}" -$v -cipher DEFAULT@SECLEVEL=0 </dev/null 2>&1)
		like "$out" 'Cipher is \(NONE\)' "$k: $v is refused"
	done
done
out=$(openssl s_client -connect "127.0.0.1:$RP" -tls1_2 -sigalgs RSA+SHA256 -CAfile "$D/rsa/ca.pem" </dev/null 2>&1)
like "$out" 'Verify return code: 0' "rsa: TLS 1.2 with PKCS #1"
out=$(openssl s_client -connect "127.0.0.1:$RP" -tls1_2 -sigalgs RSA+SHA1 -cipher DEFAULT@SECLEVEL=0 </dev/null 2>&1)
like "$out" 'Cipher is \(NONE\)' "rsa: SHA-1 is refused"
out=$(openssl s_client -connect "127.0.0.1:$RP" -tls1_2 -cipher AES128-GCM-SHA256 </dev/null 2>&1)
like "$out" 'Cipher is \(NONE\)' "rsa: no key exchange without forward secrecy"
out=$(openssl s_client -connect "127.0.0.1:$EP" -alpn h2 -CAfile "$D/ec/ca.pem" </dev/null 2>&1)
like "$out" 'No ALPN negotiated' "HTTP/2 is not offered"
out=$(openssl s_client -connect "127.0.0.1:$EP" -CAfile "$D/ec/ca.pem" </dev/null 2>&1)
unlike "$out" 'New session ticket|Session-ID: [0-9A-F]' "no resumption is offered"
B=https://localhost:$EP
is "$(curl -s --max-time 30 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$EP/health")" 000 "plain HTTP gets no answer there"
like "$(curl -sv --max-time 30 "$B/health" 2>&1)" 'unable to get local issuer' "a client without the authority refuses"

# --- bodies, streams, many ------------------------------------------------------
head -c 6000000 /dev/urandom | base64 -w0 > "$D/big.txt"
printf '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"%s"}]}' "$(cat "$D/big.txt")" > "$D/big.json"
r=$(curl -s --max-time 120 --cacert "$(ca)" -o "$D/big.out" -w '%{http_code}' "$B/v1/chat/completions" \
    -H "Authorization: Bearer $K" -H 'Content-Type: application/json' --data-binary @"$D/big.json")
is "$r" 200 "a body of 8 MB"
grep -q "$(head -c 64 "$D/big.txt")" "$D/big.out"; ok $? "its echo comes back"
out=$(chat_stream mode-drip-20-50 hi --cacert "$(ca)")
like "$out" '^data: \[DONE\]' "a stream"
# One process: a hundred that start at a time would wait for one another longer
# than a handshake may take.
for i in $(seq 100); do
	[ "$i" = 1 ] || echo next
	cat <<END
url = "$B/v1/chat/completions"
header = "Authorization: Bearer $K"
header = "Content-Type: application/json"
data = "{\"model\":\"mode-slow-first-3\",\"messages\":[{\"role\":\"user\",\"content\":\"many $i\"}]}"
cacert = "$(ca)"
output = "/dev/null"
write-out = "%{http_code} %{num_connects}\n"
max-time = 120
END
done > "$D/many.conf"
curl -s -Z --parallel-immediate --parallel-max 100 -K "$D/many.conf" > "$D/many" 2>/dev/null
is "$(sort "$D/many" | uniq -c | tr -s ' ')" " 100 200 1" "100 connections at once"
n=/dev/null
is "$(curl -s --cacert "$(ca)" -w '%{num_connects}' -o $n "$B/health" -o $n "$B/health" -o $n "$B/health")" 100 "a connection is kept"

# --- client gone ------------------------------------------------------------------
chat_stream mode-drip-6000-100 gone --cacert "$(ca)" --max-time 600 > "$D/gone" & s=$!
soon 60 [ -s "$D/gone" ]
hang_up $s
soon 30 has "$D/provider.log" peer_closed
like "$(tail -n 3 "$D/provider.log")" 'peer_closed' "a client gone: the provider's connection is closed"

# --- handshakes that stall -----------------------------------------------------------
cat > "$D/stall.pl" <<'END'
use IO::Socket::INET; use Time::HiRes 'time';
my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die;
print $s pack('H*', $ARGV[1]); $s->flush;
my $t = time; sysread($s, my $b, 100); printf "%.1f\n", time - $t;
END
t1=$(perl "$D/stall.pl" "$EP" "") t2=$(perl "$D/stall.pl" "$EP" 16030100f0010000)
like "$t1" '^([4-9]|[12][0-9])\.[0-9]' "a client that says nothing is closed after 5 s ($t1)"
like "$t2" '^([4-9]|[12][0-9])\.[0-9]' "and one that stops in its hello ($t2)"
like "$(tchat gpt-4o-mini still)" 'You said: still' "others are served"

# --- tlskey stopped, killed -------------------------------------------------------------
chat_stream mode-drip-100-100 hi --cacert "$(ca)" --max-time 300 > "$D/s1" & s1=$!
soon 60 [ -s "$D/s1" ]
p=$(role_pid tlskey)
kill -STOP "$p"
r=$(curl -s --max-time 60 --cacert "$(ca)" -o /dev/null -w '%{http_code} %{time_total}' "$B/health")
# Sooner than the 5 s of a handshake that stalls.
like "$r" '^000 [0-3]\.' "tlskey stopped: a handshake fails at once ($r)"
is "$(B=$plain code chat gpt-4o-mini hi)" 200 "plain listeners go on"
kill -CONT "$p"
tserves() { [ "$(tcode gpt-4o-mini hi)" = 200 ]; }
soon 30 tserves
is "$(tcode gpt-4o-mini hi)" 200 "it goes on: so do handshakes"
kill -9 "$p"
t=$(date +%s%N)
soon 60 tserves; ok $? "tlskey killed: handshakes are back after $((($(date +%s%N) - t) / 1000000)) ms"
[ "$(role_pid tlskey)" != "$p" ]; ok $? "by another tlskey"
wait $s1
like "$(cat "$D/s1")" '^data: \[DONE\]' "a stream that ran meanwhile finished"

# --- certificates exchanged under load ----------------------------------------------------
serial() { openssl s_client -connect "127.0.0.1:$EP" </dev/null 2>/dev/null | openssl x509 -noout -serial; }
: > "$D/failed"; : > "$D/called"
load() {
	while [ ! -e "$D/stop" ]; do
		c=$(tcode gpt-4o-mini load); echo >> "$D/called"
		[ "$c" = 200 ] || echo "$c" >> "$D/failed"
	done
}
load & l1=$!; load & l2=$!
chat_stream mode-drip-100-100 hi --cacert "$(ca)" --max-time 300 > "$D/s2" & s2=$!
soon 60 [ -s "$D/s2" ]
old=$(serial)
changed=0
exchanged() { new=$(serial); [ -n "$new" ] && [ "$new" != "$old" ]; }
for i in 1 2 3 4 5; do
	sh etc/gencert "$D/ec"
	kill -HUP "$gw_pid"
	soon 30 exchanged
	[ "$new" != "$old" ] && changed=$((changed + 1)); old=$new
done
: > "$D/stop"; wait $l1; wait $l2; wait $s2
is "$changed" 5 "five new certificates and keys, each served"
is "$(wc -l < "$D/failed" | tr -d ' ')" 0 "no call of $(wc -l < "$D/called" | tr -d ' ') failed meanwhile"
like "$(cat "$D/s2")" '^data: \[DONE\]' "a stream through all of them finished"

# --- what does not fit changes nothing -------------------------------------------------------
cp "$D/ec/server.key" "$D/key.good"
cp "$D/rsa/server.key" "$D/ec/server.key"
kill -HUP "$gw_pid"
soon 30 has "$D/log" 'tls: certificate 2: key and certificate do not belong together'
like "$(cat "$D/log")" 'tls: certificate 2: key and certificate do not belong together' "a key that does not fit is named"
is "$(tcode gpt-4o-mini hi)" 200 "and what runs stays"
cp "$D/key.good" "$D/ec/server.key"; chmod 644 "$D/ec/server.key"
kill -HUP "$gw_pid"
soon 30 has "$D/log" 'server.key: can be read by others'
like "$(cat "$D/log")" 'server.key: can be read by others' "a key file that others can read is refused"
is "$(serial)" "$old" "the certificate is the same"
out=$("$OUT/sbin/proxyd" -n -c "$D/conf" 2>&1); like "$out" 'can be read by others' "proxyd -n says so too"
chmod 600 "$D/ec/server.key"
out=$("$OUT/sbin/proxyd" -n -c "$D/conf" 2>&1); is $? 0 "proxyd -n: good"

# --- memory of an idle connection ---------------------------------------------------------------
if [ -x out/regress/tlsconn ] && [ "$(ulimit -Hn)" -gt 2000 ]; then
	# Those of before the exchanges go with their last call.
	one_worker() { [ "$(role_pids worker | wc -l)" = 1 ]; }
	soon 60 one_worker
	sleep 1.5
	w=$(role_pid worker)
	pss() { sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' /proc/"$w"/smaps_rollup; }
	mkfifo "$D/in" "$D/out"
	out/regress/tlsconn "$EP" "$D/ec/ca.pem" 100 700 < "$D/in" > "$D/out" 2> "$D/tlsconn.err" & tc=$!
	exec 8> "$D/in" 9< "$D/out"
	m1= m2=
	while read -r n <&9; do
		sleep 0.3
		[ "$n" = 200 ] && m1=$(pss)
		[ "$n" = 700 ] && { m2=$(pss); break; }
		echo >&8
	done
	exec 8>&-; kill $tc 2>/dev/null; wait $tc 2>/dev/null
	per=$(( (${m2:-0} - ${m1:-0}) * 1024 / 500 ))
	diag "worker: PSS $m1 kB with 200 idle TLS connections, $m2 kB with 700"
	[ -n "$m2" ] && [ $per -lt 16384 ]; ok $? "an idle TLS connection takes $per bytes of the worker"
	[ -n "$m2" ] || sed 's/^/# /' "$D/tlsconn.err"
else
	diag "no tlsconn (make tools) or too few descriptors: memory not measured"
fi
gw_stop
is "$gw_status" 0 "clean stop"
like "$(verify "$D/state" 2>&1 | tail -n 1)" 'intact$' "the log is intact"
unlike "$(cat "$D/log")" 'sandbox violation' "no forbidden call"
finish
