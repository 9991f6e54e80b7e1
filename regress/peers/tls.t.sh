# SPDX-License-Identifier: ISC
# The official SDKs over TLS, with a private authority that they are told of by
# SSL_CERT_FILE and NODE_EXTRA_CA_CERTS: nothing else changes.
. regress/peers/peerlib.sh
need_peer python
command -v openssl >/dev/null || skip_all "the program openssl is not installed"
sh etc/gencert "$D/ec"; sh etc/gencert -r "$D/rsa"
EP=$(free_port) RP=$(free_port)
EXTRA_P="listen on 127.0.0.1 port $EP tls certificate \"$D/ec/server.pem\" key \"$D/ec/server.key\"
listen on 127.0.0.1 port $RP tls certificate \"$D/rsa/server.pem\" key \"$D/rsa/server.key\""
gw_start
node=; [ -f "$PEERS/node.skip" ] || { node=1; cp regress/peers/*.mjs "$PEERS/"; }
for kind in ec:$EP rsa:$RP; do
	B=https://localhost:${kind#*:} k=${kind%%:*}
	SSL_CERT_FILE=$D/$k/ca.pem NODE_EXTRA_CA_CERTS=$D/$k/ca.pem
	export SSL_CERT_FILE NODE_EXTRA_CA_CERTS
	client "$k: PyPI openai" "$PEERS/py/bin/python" regress/peers/openai_client.py
	client "$k: PyPI anthropic" "$PEERS/py/bin/python" regress/peers/anthropic_client.py
	[ -z "$node" ] && { diag "SKIPPED the JavaScript SDKs: $(cat "$PEERS/node.skip")"; continue; }
	client "$k: npm openai" node "$PEERS/openai_client.mjs"
	client "$k: npm @anthropic-ai/sdk" node "$PEERS/anthropic_client.mjs"
done
settle
finish
