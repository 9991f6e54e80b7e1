# SPDX-License-Identifier: ISC
# The kms role against drongo (Google KMS over REST): round trip, bound
# context, checksums.  The token comes from our fake's metadata server.
. regress/peers/kmslib.sh
need_peer drongo drongo/.done
. regress/scenario/fakekms/fake.sh
D=$(mktemp -d); B=
trap '[ -n "$B" ] && kill $B 2>/dev/null; rm -rf "$D"' EXIT
P=$(free_port); E=http://127.0.0.1:$P
"$PEERS/drongo/bin/drongo" server --host 127.0.0.1 --port $P > "$D/log" 2>&1 &
B=$!
fake_start
wait_http $E/
L=$E/v1/projects/p/locations/global
curl -s -o /dev/null -X POST -H 'Content-Type: application/json' -d '{}' "$L/keyRings?keyRingId=r"
curl -s -o /dev/null -X POST -H 'Content-Type: application/json' -d '{"purpose":"ENCRYPT_DECRYPT"}' \
    "$L/keyRings/r/cryptoKeys?cryptoKeyId=k"
U=gcp_kms://projects/p/locations/global/keyRings/r/cryptoKeys/k
export TAPPASS_GCP_KMS_ENDPOINT=$E GCE_METADATA_HOST=127.0.0.1:$FPORT
c="-c app=tappass -c env=x"
kms OK "encrypt wraps a key of ours" generate $U -k $K1 $c
is "$key" $K1 "... which stays as it is"
like "$line" ' id=projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1 ' "... under the version that is named"
w=$wrapped
kms OK "decrypt" unwrap $U -w "$w" $c
is "$key" $K1 "... gives the same bytes"
kms INVALID "another context" unwrap $U -w "$w" -c app=other
kms INVALID "a cut ciphertext" unwrap $U -w "$(printf %s "$w" | cut -c1-40)" $c
kms CONFIG "a key that is not there" generate gcp_kms://projects/p/locations/global/keyRings/r/cryptoKeys/no -k $K1 $c
fake_stop
finish
