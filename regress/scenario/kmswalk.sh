# SPDX-License-Identifier: ISC
# Each URI of TAPPASS_VAULT_KEY_KMS with the environment that keybrokerd(8)
# gives as its example, real daemons, our fakes: kmswalk.inc.
. regress/scenario/lib.sh
. regress/scenario/fakekms/fake.sh
. regress/scenario/kmswalk.inc
# Credentials of every kind, and the keys themselves in both writings.
KMS_SECRETS='wJalrFAKE|stsSecretFAKE|az-secret|az-token|g-token|s\.root|s\.login|secret-1|BEGIN PRIVATE|AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8|000102030405060708090a0b'
kms_down() { fake_stop; }
kms_up() { fake_start; }
kms_rotate() { fake_rotate; }
fake_start || { ok 1 "the fake starts"; finish; }
KMS_AT=127.0.0.1
AWS_ENDPOINT_URL_KMS=$F AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
AWS_ACCESS_KEY_ID=AKIDFAKE AWS_SECRET_ACCESS_KEY=wJalrFAKE/secret+key
printf '{"type":"service_account","client_email":"a@p","private_key_id":"1","private_key":"%s","token_uri":"%s/gtoken"}' \
    "$(sed 's/$/\\n/' "$D/fake/rsa.pem" | tr -d '\n')" "$F" > "$D/sa.json"
TAPPASS_GCP_KMS_ENDPOINT=$F TAPPASS_KMS_HOSTS=$F GOOGLE_APPLICATION_CREDENTIALS=$D/sa.json
TAPPASS_AZURE_KV_ENDPOINT=$F/m/ok AZURE_AUTHORITY_HOST=$F/
AZURE_TENANT_ID=tenant-1 AZURE_CLIENT_ID=client-1 AZURE_CLIENT_SECRET=az-secret
VAULT_ADDR=$F VAULT_ROLE_ID=role-1 VAULT_SECRET_ID=secret-1
export AWS_ENDPOINT_URL_KMS AWS_REGION AWS_EC2_METADATA_DISABLED AWS_ACCESS_KEY_ID \
    AWS_SECRET_ACCESS_KEY TAPPASS_GCP_KMS_ENDPOINT TAPPASS_KMS_HOSTS GOOGLE_APPLICATION_CREDENTIALS TAPPASS_AZURE_KV_ENDPOINT \
    AZURE_AUTHORITY_HOST AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET VAULT_ADDR \
    VAULT_ROLE_ID VAULT_SECRET_ID TAPPASS_VAULT_KEY_KMS
for u in ${WALK:-aws_kms://arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555 \
    gcp_kms://projects/p/locations/l/keyRings/r/cryptoKeys/k azure_kv://tappass-kv/vault-encryption-key \
    azure_kv_wrap://tappass-kv/kek vault://secret/data/tappass/vault-key vault_transit://tappass-key}; do
	TAPPASS_VAULT_KEY_KMS=$u
	walk "${u%%:*}"
done
fake_stop
finish
