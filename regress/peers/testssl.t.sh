# SPDX-License-Identifier: ISC
# testssl.sh against both kinds of listener: no finding of MEDIUM or more.  Left
# out is only what a private authority cannot have: revocation lists, stapling,
# DNS records.  What was left out is printed.
. regress/peers/peerlib.sh
T=$(command -v testssl || command -v testssl.sh) ||
    skip_all "testssl.sh (Debian package) is not installed"
sh etc/gencert "$D/ec"; sh etc/gencert -r "$D/rsa"
EP=$(free_port) RP=$(free_port)
EXTRA_P="listen on 127.0.0.1 port $EP tls certificate \"$D/ec/server.pem\" key \"$D/ec/server.key\"
listen on 127.0.0.1 port $RP tls certificate \"$D/rsa/server.pem\" key \"$D/rsa/server.key\""
gw_start
except='^(cert_revocation|OCSP_stapling|DNS_CAArecord|cert_crlDistributionPoints|cert_ocspURL|certificate_transparency) '
for kind in ec:$EP rsa:$RP; do
	k=${kind%%:*} f=$D/$k.csv
	timeout 280 "$T" --quiet --color 0 --warnings off --openssl-timeout 10 --ip 127.0.0.1 \
	    --add-ca "$D/$k/ca.pem" --csvfile "$f" "localhost:${kind#*:}" > "$D/$k.out" 2>&1 </dev/null
	n=$(grep -c . "$f" 2>/dev/null)
	[ "${n:-0}" -gt 60 ]; ok $? "$k: testssl ran to its end, $n findings"
	# "id","host/ip","port","severity","finding",...
	grep -E '^"[^"]*","[^"]*","[^"]*","(MEDIUM|HIGH|CRITICAL|FATAL)"' "$f" |
	    sed 's/^"\([^"]*\)","[^"]*","[^"]*","\([^"]*\)","\([^"]*\)".*/\1 \2 \3/' > "$D/$k.bad"
	grep -E "$except" "$D/$k.bad" | sed "s/^/# $k: does not apply to a private authority: /"
	grep -Ev "$except" "$D/$k.bad" > "$D/$k.left"
	is "$(cat "$D/$k.left")" "" "$k: no finding of MEDIUM or more"
done
like "$(curl -s --cacert "$D/ec/ca.pem" "https://localhost:$EP/health")" healthy "it still serves"
unlike "$(cat "$D/log")" 'sandbox violation|ended' "no process ended meanwhile"
gw_stop
finish
