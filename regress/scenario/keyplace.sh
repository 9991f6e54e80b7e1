# SPDX-License-Identifier: ISC
# The vault key comes from one place: a variable, a key file, systemd's
# credential or a KMS.  Two are refused by both names, none says what to do, and
# what a KMS cannot be meant by is refused before anything runs.
. regress/scenario/lib.sh
unset TAPPASS_VAULT_KEY_KMS TAPPASS_VAULT_DEK CREDENTIALS_DIRECTORY
OKEY= AKEY=
gw_config
key() { head -c 32 /dev/urandom | base64; }
# refused NAME PATTERN ENV...: exit 78 with that sentence
refused() {
	name=$1 want=$2; shift 2
	out=$(env "$@" timeout -k 1 60 "$OUT/sbin/proxyd" -d -c "$D/conf" -s "$D/state" 2>&1)
	is $? 78 "$name: exit 78"
	like "$out" "$want" "... and says why"
}
V=vault://secret/data/tappass/vault-key
mkdir "$D/cred"; key > "$D/cred/vault-key"; chmod 400 "$D/cred/vault-key"
K1=$(key)
refused "variable and KMS" "there are TAPPASS_VAULT_KEY_KMS and TAPPASS_VAULT_KEY" \
    TAPPASS_VAULT_KEY="$K1" TAPPASS_VAULT_KEY_KMS=$V
refused "credential and KMS" "there are TAPPASS_VAULT_KEY_KMS and $D/cred/vault-key" \
    CREDENTIALS_DIRECTORY="$D/cred" TAPPASS_VAULT_KEY_KMS=$V
refused "credential and variable" "there are TAPPASS_VAULT_KEY and $D/cred/vault-key" \
    CREDENTIALS_DIRECTORY="$D/cred" TAPPASS_VAULT_KEY="$K1"
key > "$D/vault.key"; chmod 600 "$D/vault.key"
refused "credential and file" "there are $D/cred/vault-key and $D/vault.key" CREDENTIALS_DIRECTORY="$D/cred"
refused "file and KMS" "there are TAPPASS_VAULT_KEY_KMS and $D/vault.key" TAPPASS_VAULT_KEY_KMS=$V
refused "file and variable" "there are TAPPASS_VAULT_KEY and $D/vault.key" TAPPASS_VAULT_KEY="$K1"
mv "$D/vault.key" "$D/cred/vault-key-previous"
refused "two previous keys" "there are TAPPASS_VAULT_KEY_PREVIOUS and $D/cred/vault-key-previous" \
    CREDENTIALS_DIRECTORY="$D/cred" TAPPASS_VAULT_KEY_PREVIOUS="$K1"
rm "$D/cred/vault-key-previous"
refused "a URI of no back end" "TAPPASS_VAULT_KEY_KMS is none of aws_kms://" TAPPASS_VAULT_KEY_KMS=kms://x
refused "a host that would be asked in the clear" "VAULT_ADDR: http is for this machine" \
    TAPPASS_VAULT_KEY_KMS=$V VAULT_ADDR=http://192.0.2.1:8200
refused "a proxy that is none" "TAPPASS_KMS_PROXY: write" TAPPASS_VAULT_KEY_KMS=$V TAPPASS_KMS_PROXY=socks://x:1
refused "a wrapped key without a KMS" "no TAPPASS_VAULT_KEY_KMS" TAPPASS_VAULT_DEK=AAAA
refused "a wrapped key of 11 KB" "TAPPASS_VAULT_DEK is longer than" TAPPASS_VAULT_KEY_KMS=$V \
    TAPPASS_VAULT_DEK="$(head -c 8500 /dev/zero | base64 -w 0)"
[ ! -e "$D/state/ledger/ledger.db" ]; ok $? "none of them made a database"

out=$(TAPPASS_VAULT_KEY_KMS=vaul://x "$OUT/sbin/proxyd" -n -c "$D/conf" 2>&1)
is $? 78 "-n looks at the URI too"
like "$out" "is none of" "... with the same sentence"
for t in 0 10x 31d -5; do
	EXTRA_K="kms check $t"; gw_config
	out=$("$OUT/sbin/proxyd" -n -c "$D/conf" 2>&1)
	is "$?:$(printf %s "$out" | grep -c 'a time is 1 second to 30 days')" 78:1 "kms check $t is refused"
done
EXTRA_K="kms check 10m
kms stale 2h
kms stale never
kms start-deadline 90
kms start-deadline never"; gw_config
"$OUT/sbin/proxyd" -n -c "$D/conf" > /dev/null 2>&1; ok $? "times with and without a unit, and never"

# A key that systemd hands over.
CREDENTIALS_DIRECTORY=$D/cred; export CREDENTIALS_DIRECTORY
OKEY=sk-test-$(random_word)
gw_start
like "$(chat gpt-4o-mini hello)" '"content"' "the key of \$CREDENTIALS_DIRECTORY/vault-key serves"
gw_stop
gw_spawn; gw_wait; ok $? "... and again after a restart"
gw_stop
unset CREDENTIALS_DIRECTORY
refused "without it" "vault.key is missing, but $D/state/ledger holds a database" A=b
out=$(TAPPASS_VAULT_KEY="$K1" "$OUT/sbin/keybrokerd" init -c "$D/conf" -s "$D/state" 2>&1)
is "$?:$out" "0:keybrokerd: TAPPASS_VAULT_KEY has the vault key; nothing to do" "init with a variable makes nothing"
[ ! -e "$D/vault.key" ]; ok $? "... no file"
# keybrokerd may end before proxyd listens for it; that is not waited for.
out=$(timeout -k 1 60 perl -MSocket -MFcntl -MPOSIX -e 'socketpair(my $a, my $b, AF_UNIX, SOCK_SEQPACKET, 0) or die;
    my $p = fork // die; POSIX::_exit(78) if !$p; close $b; select undef, undef, undef, 0.3;
    POSIX::dup2(fileno($a), 3) if fileno($a) != 3; fcntl(STDIN, F_GETFD, 0);
    open(my $k, "<&=", 3); fcntl($k, F_SETFD, 0); $ENV{PROXYD_STAGE} = $p;
    exec @ARGV or die' "$OUT/sbin/proxyd" -d -c "$D/conf" -s "$D/state" 2>&1)
is $? 78 "keybrokerd ended before proxyd had a handler: its exit code is ours"
finish
