# SPDX-License-Identifier: ISC
# The life of a gateway (kmswalk.inc) whose vault key is wrapped by moto's KMS
# with authentication on: signatures and the policy of the user are checked.
# moto forgets its keys when it ends, so what stops is the relay before it.
. regress/peers/peerlib.sh
. regress/scenario/kmswalk.inc
need_peer moto
[ -e "$PEERS/moto/.done" ] || skip_all "moto is not installed below $PEERS"
MOTO= RELAY=
trap '[ -z "$MOTO$RELAY" ] || kill $MOTO $RELAY 2>/dev/null; cleanup' EXIT
P=$(free_port) Q=$(free_port); E=http://127.0.0.1:$P
"$PEERS/moto/bin/moto_server" -H 127.0.0.1 -p $P > "$D/moto.log" 2>&1 &
MOTO=$!
for _ in $(seq 100); do curl -s -o /dev/null $E/moto-api/ && break; sleep 0.1; done
cat > "$D/setup.py" <<'END'
import boto3, json, sys
c = lambda s: boto3.client(s, endpoint_url=sys.argv[1], region_name="us-east-1",
    aws_access_key_id="x", aws_secret_access_key="y")
iam = c("iam")
iam.create_user(UserName="gw")
k = iam.create_access_key(UserName="gw")["AccessKey"]
iam.put_user_policy(UserName="gw", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*"}]}))
print(k["AccessKeyId"], k["SecretAccessKey"], c("kms").create_key()["KeyMetadata"]["Arn"])
END
set -- $("$PEERS/moto/bin/python" "$D/setup.py" $E)
AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 TAPPASS_VAULT_KEY_KMS=aws_kms://$3
curl -s -o /dev/null -X POST -H 'Content-Type: text/plain' -d 0 $E/moto-api/reset-auth
AWS_ENDPOINT_URL_KMS=http://127.0.0.1:$Q AWS_EC2_METADATA_DISABLED=true
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY TAPPASS_VAULT_KEY_KMS AWS_ENDPOINT_URL_KMS AWS_EC2_METADATA_DISABLED
cat > "$D/relay.py" <<'END'
import socket, sys, threading
def copy(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    a = s.accept()[0]
    b = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    for x, y in ((a, b), (b, a)):
        threading.Thread(target=copy, args=(x, y), daemon=True).start()
END
kms_up() {
	python3 "$D/relay.py" $Q $P & RELAY=$!
	for _ in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:$Q/moto-api/ && break; sleep 0.05; done
}
kms_down() { kill $RELAY; wait $RELAY 2>/dev/null; RELAY=; }
kms_rotate() { :; } # AWS keeps the key's name; old blobs open on
KMS_AT=127.0.0.1:$Q KMS_SECRETS=$AWS_SECRET_ACCESS_KEY
kms_up
walk "moto aws_kms"
# --- a wrong secret: the start ends by name
AWS_SECRET_ACCESS_KEY=wrong; export AWS_SECRET_ACCESS_KEY
gw_spawn; wait "$gw_pid"; is $? 78 "a wrong secret: the start ends with 78"; gw_pid=
like "$(tail -n 8 "$D/log")" 'SignatureDoesNotMatch' "... and says why"
kms_down
finish
