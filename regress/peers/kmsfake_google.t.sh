# SPDX-License-Identifier: ISC
# Our fake of Google KMS, its token service and its metadata server, proved by
# @google-cloud/kms and google-auth-library.
. regress/peers/peerlib.sh
. regress/scenario/fakekms/fake.sh
need_peer kmsnode
fake_start || { ok 1 "the fake starts"; finish; }
cp regress/peers/kms_*.mjs "$PEERS/kmsnode/"
peer="npm @google-cloud/kms"
sdk() { # WHAT VARIABLES...
	w=$1; shift
	timeout 120 env -i PATH="$PATH" HOME="$D" NODE_NO_WARNINGS=1 "$@" \
	    node "$PEERS/kmsnode/kms_google.mjs" "$FPORT" "$w" > "$D/out" 2>&1
	is $? 0 "$w: client ends well"
	report
}
key=$(sed 's/$/\\n/' "$D/fake/rsa.pem" | tr -d '\n')
printf '{"type":"service_account","project_id":"p","client_email":"a@p.iam.gserviceaccount.com","client_id":"1","private_key_id":"k1","private_key":"%s","token_uri":"https://oauth2.googleapis.com/token"}' "$key" > "$D/sa.json"
sdk grant GOOGLE_APPLICATION_CREDENTIALS="$D/sa.json"
sdk selfsigned GOOGLE_APPLICATION_CREDENTIALS="$D/sa.json"
sdk metadata GCE_METADATA_HOST="127.0.0.1:$FPORT"
printf subject.token > "$D/subject"
printf '{"type":"external_account","audience":"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q","subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"%s/gtoken","service_account_impersonation_url":"%s/gimp","credential_source":{"file":"%s"}}' "$F" "$F" "$D/subject" > "$D/ext.json"
sdk external GOOGLE_APPLICATION_CREDENTIALS="$D/ext.json" GOOGLE_CLOUD_PROJECT=p
fake_stop
finish
