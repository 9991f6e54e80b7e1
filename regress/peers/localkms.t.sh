# SPDX-License-Identifier: ISC
# The kms role against local-kms: states, aliases, error texts as AWS has them;
# and the IMDSv2 flow against amazon-ec2-metadata-mock.
. regress/peers/kmslib.sh
need_peer localkms bin/local-kms
D=$(mktemp -d); B=; M=
trap '[ -n "$B$M" ] && kill $B $M 2>/dev/null; rm -rf "$D"' EXIT
P=$(free_port); E=http://127.0.0.1:$P
ID=bc436485-5092-42b8-92a3-0aa8b93536dc
cat > "$D/seed.yaml" <<END
Keys:
  Symmetric:
    Aes:
      - Metadata:
          KeyId: $ID
        BackingKeys:
          - 5cdaead27fe7da2de47945d73cd6d79e36494e73802f3cd3869f1d2cb0b5d7a9
Aliases:
  - AliasName: alias/testing
    TargetKeyId: $ID
END
# It listens on every address: its own network namespace where that is ours.
PORT=$P KMS_REGION=us-east-1 KMS_ACCOUNT_ID=111122223333 KMS_SEED_PATH=$D/seed.yaml \
    KMS_DATA_PATH=$D/data "$PEERS/bin/local-kms" > "$D/log" 2>&1 &
B=$!
wait_http $E/
export AWS_ENDPOINT_URL=$E/ AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b
U=aws_kms://arn:aws:kms:us-east-1:111122223333:key/$ID
c="-c app=tappass -c env=x"
kms OK "GenerateDataKey by alias" generate aws_kms://alias/testing $c
w=$wrapped k=$key
kms OK "Decrypt by ARN" unwrap $U -w "$w" $c
is "$key" "$k" "... gives the same key"
kms OK "Encrypt" wrap $U -k $K1 $c
kms OK "... and Decrypt" unwrap $U -w "$wrapped" $c
is "$key" $K1 "... gives what was wrapped"
kms INVALID "another context" unwrap $U -w "$w" -c app=other
kms INVALID "a changed ciphertext" unwrap $U -w "$(printf %s "$w" | sed 's/....\(....\)$/AAAA\1/')" $c
target() { curl -s -o /dev/null -X POST -H "X-Amz-Target: TrentService.$1" \
    -H 'Content-Type: application/x-amz-json-1.1' -H 'Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0' -d "$2" $E/; }
target DisableKey "{\"KeyId\":\"$ID\"}"
kms STATE "a disabled key" unwrap $U -w "$w" $c
target EnableKey "{\"KeyId\":\"$ID\"}"
kms OK "enabled again" unwrap $U -w "$w" $c
target ScheduleKeyDeletion "{\"KeyId\":\"$ID\",\"PendingWindowInDays\":7}"
kms STATE "a key that waits for its deletion" unwrap $U -w "$w" $c
target CancelKeyDeletion "{\"KeyId\":\"$ID\"}"
target EnableKey "{\"KeyId\":\"$ID\"}"
kms CONFIG "a key that is not there" generate aws_kms://arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000 $c
if [ -e "$PEERS/bin/ec2-metadata-mock" ]; then
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	Q=$(free_port)
	"$PEERS/bin/ec2-metadata-mock" --imdsv2 -p $Q -n 127.0.0.1 > "$D/imds" 2>&1 &
	M=$!
	wait_http http://127.0.0.1:$Q/
	# Its credential ended in 2020; used all the same (static stability).
	AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:$Q/ kms OK "IMDSv2 gives a credential" unwrap $U -w "$w" $c
	AWS_EC2_METADATA_DISABLED=true kms CONFIG "IMDS disabled, and nothing else" unwrap $U -w "$w" $c
else
	diag "SKIPPED: ec2-metadata-mock is not installed"
fi
finish
