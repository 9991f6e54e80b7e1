# SPDX-License-Identifier: ISC
# Our fake of Azure Key Vault, Entra and the managed identity endpoints, proved
# by @azure/identity, @azure/keyvault-secrets and @azure/keyvault-keys.
. regress/peers/peerlib.sh
. regress/scenario/fakekms/fake.sh
need_peer kmsnode
fake_start || { ok 1 "the fake starts"; finish; }
cp regress/peers/kms_*.mjs "$PEERS/kmsnode/"
peer="npm @azure"
sdk() { # WHAT VARIABLES...
	w=$1; shift
	timeout 120 env -i PATH="$PATH" HOME="$D" NODE_NO_WARNINGS=1 \
	    NODE_EXTRA_CA_CERTS="$D/fake/ca.pem" "$@" \
	    node "$PEERS/kmsnode/kms_azure.mjs" "$FTLS" "$w" > "$D/out" 2>&1
	is $? 0 "$w: client ends well"
	report
}
sdk secret
sdk wrong
printf federated.token > "$D/federated"
sdk federated TOKEN_FILE="$D/federated"
sdk imds AZURE_POD_IDENTITY_AUTHORITY_HOST="$F"
sdk appservice IDENTITY_ENDPOINT="$F/msi" IDENTITY_HEADER=id-header
fake_stop
finish
