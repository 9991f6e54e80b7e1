# SPDX-License-Identifier: ISC
# Our fake of AWS KMS, STS, container and IMDS credentials, proved by
# @aws-sdk/client-kms: every credential source, contexts, errors.
. regress/peers/peerlib.sh
. regress/scenario/fakekms/fake.sh
need_peer kmsnode
fake_start || { ok 1 "the fake starts"; finish; }
cp regress/peers/kms_*.mjs "$PEERS/kmsnode/"
sdk() { # ENDPOINT-MODE VARIABLES... -- ARGS
	e="AWS_ENDPOINT_URL=$F/m/$1"; shift
	while [ "$1" != -- ]; do e="$e $1"; shift; done
	shift
	# shellcheck disable=SC2086
	timeout 120 env -i PATH="$PATH" HOME="$D" AWS_REGION=us-east-1 NODE_NO_WARNINGS=1 \
	    AWS_EC2_METADATA_DISABLED=true $e node "$PEERS/kmsnode/kms_aws.mjs" "$@" > "$D/out" 2>&1
	is $? 0 "$1: client ends well"
	report
}
peer="npm @aws-sdk/client-kms"
ID="AWS_ACCESS_KEY_ID=AKIDFAKE AWS_SECRET_ACCESS_KEY=wJalrFAKE/secret+key"
# shellcheck disable=SC2086
{
sdk ok~e $ID -- environment all
sdk 500x2~e $ID -- "5xx, then good"
for f in disabled:DisabledException pending:KMSInvalidStateException denied:AccessDeniedException \
    throttle:ThrottlingException unavailable:KeyUnavailableException; do
	sdk ${f%:*}~e $ID -- "${f%:*}" ${f#*:} 
done
}
sdk ok AWS_ACCESS_KEY_ID=AKIDFAKE AWS_SECRET_ACCESS_KEY=wrong -- "wrong secret" InvalidSignatureException
printf '[default]\naws_access_key_id = AKIDFAKE\naws_secret_access_key = wJalrFAKE/secret+key\n' > "$D/cred"
sdk ok AWS_SHARED_CREDENTIALS_FILE="$D/cred" -- "profile file"
printf '[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = s\nregion = us-east-1\n[profile s]\naws_access_key_id = AKIDFAKE\naws_secret_access_key = wJalrFAKE/secret+key\n' > "$D/config"
sdk ok AWS_CONFIG_FILE="$D/config" AWS_SDK_LOAD_CONFIG=1 -- "assumed role of a profile"
printf web.identity.token > "$D/jwt"
sdk ok AWS_WEB_IDENTITY_TOKEN_FILE="$D/jwt" AWS_ROLE_ARN=arn:aws:iam::1:role/r -- "web identity"
sdk ok AWS_CONTAINER_CREDENTIALS_FULL_URI="$F/creds" AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-token -- container
sdk ok AWS_EC2_METADATA_DISABLED=false AWS_EC2_METADATA_SERVICE_ENDPOINT="$F" -- IMDSv2
fake_stop
finish
