#!/bin/sh
# SPDX-License-Identifier: ISC
# deb.t.sh: the Debian package in a fresh Debian: installed, started as the unit
# starts it and as an unprivileged user, a call answered by a provider outside,
# removed, purged without remains.  There is no systemd as pid 1 in there, so
# capabilities, limits and the notify socket are what the unit gives.
. regress/peers/peerlib.sh
[ "$(id -u)" = 0 ] || skip_all "only root can install a package"
for c in debootstrap dpkg-deb dpkg-shlibdeps setpriv unshare; do
	command -v $c >/dev/null 2>&1 || skip_all "$c is not installed"
done
need_peer debian
deb=$(make -s deb 2>"$D/err" | tail -n 1)
[ -f "$deb" ] || { cat "$D/err"; ok 1 "make deb"; finish; }
ok 0 "make deb: ${deb##*/}"
R=$D/root
[ -e "$PEERS/deb/.done" ] ||
    timeout 400 sh regress/peers/debroot.sh "$deb" "$PEERS/deb" > "$D/err" 2>&1 ||
    skip_all "no fresh Debian can be made: $(tail -n 1 "$D/err")"
# Not what may be mounted in there.
cp -ax "$PEERS/deb/root" "$R"
cp "$deb" "$R/tmp/proxyd.deb"

# What happens inside has a mount namespace and an empty environment of its own.
IN='r=$1; shift
mount -t proc proc "$r/proc" && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$r" "$@"'
inside() { unshare -m sh -c "$IN" sh "$R" "$@"; }
# Everything that is there: names, types, owners, modes.  Not what apt, dpkg and
# the user tools write about their own work.
list() {
	(cd "$R" && find . -xdev \( -path ./proc -o -path ./var/cache/apt -o \
	    -path ./var/lib/apt -o -path ./var/log -o -path ./tmp \) -prune -o \
	    -printf '%y %m %U:%G %p\n' | grep -v -E \
	    -e ' \./etc/(passwd-|group-|shadow-|gshadow-|subuid-|subgid-|\.pwd\.lock)$' \
	    -e ' \./var/lib/dpkg/(status-old|available|triggers/|lock|info$|updates)' |
	    sort)
	cat "$R/etc/passwd" "$R/etc/group"
}
users() { grep -c -E '^_(proxyd|kbroker|kledger|kegress|kdial|ktlskey|kexport|kkms):' "$R/etc/passwd"; }

# --- install -----------------------------------------------------------------
inside apt-get -qq -y --no-install-recommends satisfy "$(dpkg-deb -f "$deb" Depends)" \
    > "$D/apt.out" 2>&1
is $? 0 "what it depends on is there"
list > "$D/before"
inside dpkg -i /tmp/proxyd.deb > "$D/dpkg.out" 2>&1
r=$?
is $r 0 "dpkg -i"
[ $r = 0 ] || { sed 's/^/# /' "$D/dpkg.out"; finish; }
is "$(users)" 8 "each role has a user"
is "$(stat -c '%a %u' "$R/etc/proxyd/vault.key")" "600 0" \
    "postinst made the vault key, for root only"
k1=$(sha256sum < "$R/etc/proxyd/vault.key")
is "$(cd "$R/var/lib/proxyd" && stat -c '%n %a' ledger export empty | tr '\n' ' ')" \
    "ledger 700 export 2750 empty 711 " "state directories"
is "$(inside find -L /usr/sbin/proxyd /usr/sbin/keybrokerd /usr/libexec/keybrokerd \
    /usr/libexec/proxyd /usr/bin/auditverify -type f -exec sh -c \
    'ldd $1 | grep "not found"' sh {} \;)" "" "no library is missing"
[ -L "$R/etc/systemd/system/multi-user.target.wants/proxyd.service" ]
ok $? "the service is enabled"
inside proxyd -n > "$D/err" 2>&1
is $? 0 "the shipped configuration is right"

# The unit's limits, as far as this machine lets root raise them.
LIMITS='umask 077; ulimit -c 0; ulimit -l 65536 2>/dev/null
    ulimit -n 65536 2>/dev/null'
# --- as the unit -------------------------------------------------------------
provider_start
PORT=$(free_port)
sed -i "s/port 9620/port $PORT/" "$R/etc/proxyd/proxyd.conf"
sed -i "s,https://api.openai.com/v1,http://127.0.0.1:$PPORT/v1," \
    "$R/etc/proxyd/keybrokerd.conf"
B=http://127.0.0.1:$PORT
OKEY=sk-test-$(random_word)$(random_word)
printf %s "$OKEY" > "$R/etc/proxyd/secrets/OPENAI_API_KEY"
chmod 600 "$R/etc/proxyd/secrets/OPENAI_API_KEY"
perl -MIO::Socket::UNIX -e '
	$s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die;
	chmod 0666, $ARGV[0]; alarm 60;
	while (defined $s->recv($m, 512)) { next unless $m =~ /READY=1/;
		open F, ">", $ARGV[1]; print F $m; exit }' \
    "$R/run/notify" "$D/notified" &
notify_pid=$!
while [ ! -S "$R/run/notify" ]; do sleep 0.05; done
unit=etc/systemd/proxyd.service
caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | tr 'A-Z' 'a-z' |
    sed 's/cap_/+/g; s/ /,/g')
unshare -m sh -c "$IN" sh "$R" env NOTIFY_SOCKET=/run/notify sh -c \
    "$LIMITS; exec setpriv --bounding-set=-all,$caps --inh-caps=-all --no-new-privs \
    /usr/sbin/proxyd -d" > "$D/log" 2>&1 &
gw_pid=$!
gw_wait; ok $? "it starts with the unit's capabilities"
for _ in $(seq 100); do [ -s "$D/notified" ] && break; sleep 0.1; done
like "$(cat "$D/notified" 2>/dev/null)" READY=1 "the service manager is told"
kill $notify_pid 2>/dev/null
notify_pid=
for role in worker broker ledger egress dial; do
	p=$(role_pid $role)
	u=$(awk '/^Uid:/ { print $2 }' "/proc/$p/status" 2>/dev/null)
	case $role in worker) n=_proxyd ;; *) n=_k$role ;; esac
	is "$u $(awk '/^CapEff:/ { print $2 }' "/proc/$p/status" 2>/dev/null)" \
	    "$(awk -F: -v n=$n '$1 == n { print $3 }' "$R/etc/passwd") 0000000000000000" \
	    "$role runs as $n, without a capability"
done
K=$(inside proxyctl -j key create --agent default --email a@b --expires 90 |
    sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
like "$K" '^tp_dev_' "proxyctl makes a key"
word=$(random_word)
like "$(chat gpt-4o-mini "$word")" '"content"' "the first call is answered"
like "$(cat "$D/provider.log")" "$word" "by the provider outside"
like "$(cat "$D/provider.log")" "$OKEY" "with the key of /etc/proxyd/secrets"
NEW=sk-test-$(random_word)$(random_word)
printf %s "$NEW" > "$R/etc/proxyd/secrets/new" && chmod 600 "$R/etc/proxyd/secrets/new" &&
    mv "$R/etc/proxyd/secrets/new" "$R/etc/proxyd/secrets/OPENAI_API_KEY"
sleep 2
chat gpt-4o-mini again > "$D/again"
like "$(cat "$D/provider.log")" "$NEW" "a changed file is in use without a restart"

# --- remove, install again: nothing is lost ------------------------------------
inside dpkg --remove proxyd > "$D/dpkg.out" 2>&1
is $? 0 "dpkg --remove, with the gateway running"
for _ in $(seq 100); do kill -0 $gw_pid 2>/dev/null || break; sleep 0.1; done
kill -0 $gw_pid 2>/dev/null; is $? 1 "it was stopped"
wait $gw_pid; gw_pid=
[ -f "$R/etc/proxyd/vault.key" ] && [ -f "$R/var/lib/proxyd/ledger/ledger.db" ]
ok $? "remove keeps the log and the vault key"
inside dpkg -i /tmp/proxyd.deb > "$D/dpkg.out" 2>&1
is $? 0 "installed again"
is "$(sha256sum < "$R/etc/proxyd/vault.key")" "$k1" "with the same vault key"
like "$(inside auditverify /var/lib/proxyd/export 2>&1 | tail -n 1)" ': intact$' \
    "the log is intact"

# --- an operator who says where the vault key is gets no other one ---------------
mv "$R/etc/proxyd/vault.key" "$D/vault.key"
# again WHERE: what says so; with the database of before, and fresh.
again() {
	inside dpkg -i /tmp/proxyd.deb > "$D/dpkg.out" 2>&1
	is $? 0 "installed again, $1"
	[ ! -e "$R/etc/proxyd/vault.key" ]; ok $? "no stray key, $1"
}
mkdir -p "$R/etc/default"
echo 'TAPPASS_VAULT_KEY_KMS=vault_transit://tappass' > "$R/etc/default/proxyd"
again "a KMS in /etc/default/proxyd"
mv "$R/var/lib/proxyd/ledger/ledger.db" "$D/ledger.db"
again "and no database yet"
rm "$R/etc/default/proxyd"
d=$R/etc/systemd/system/proxyd.service.d
mkdir -p "$d"
printf '[Service]\nLoadCredentialEncrypted=vault-key:/etc/credstore.encrypted/vk\n' > "$d/key.conf"
again "a credential in the unit's drop-in"
rm -r "$d"
cp -p "$R/etc/proxyd/keybrokerd.conf" "$D/keybrokerd.conf"
echo 'vault key file "/srv/proxyd.key"' >> "$R/etc/proxyd/keybrokerd.conf"
again "a place of its own in keybrokerd.conf"
[ ! -e "$R/srv/proxyd.key" ]; ok $? "nor is one made there"
cp -p "$D/keybrokerd.conf" "$R/etc/proxyd/keybrokerd.conf"
echo '#TAPPASS_VAULT_KEY_KMS=vault_transit://tappass' > "$R/etc/default/proxyd"
inside dpkg -i /tmp/proxyd.deb > "$D/dpkg.out" 2>&1
[ -s "$R/etc/proxyd/vault.key" ]; ok $? "a comment says nothing: the key is made"
rm "$R/etc/default/proxyd"
mv "$D/vault.key" "$R/etc/proxyd/vault.key"
mv "$D/ledger.db" "$R/var/lib/proxyd/ledger/ledger.db"

# --- without root, as proxyd-user.service --------------------------------------
uid=$(awk -F: '$1 == "_proxyd" { print $3 }' "$R/etc/passwd")
gid=$(awk -F: '$1 == "_proxyd" { print $4 }' "$R/etc/passwd")
for d in var/lib run; do
	mkdir -m 700 "$R/$d/proxyd-user" && chown "$uid:$gid" "$R/$d/proxyd-user"
done
c=$R/var/lib/proxyd-user/config/proxyd
mkdir -p "$c/secrets"
PORT=$(free_port)
B=http://127.0.0.1:$PORT
echo "listen on 127.0.0.1 port $PORT" > "$c/proxyd.conf"
sed 's,/etc/proxyd/secrets,/var/lib/proxyd-user/config/proxyd/secrets,' \
    "$R/etc/proxyd/keybrokerd.conf" > "$c/keybrokerd.conf"
printf %s "$OKEY" > "$c/secrets/OPENAI_API_KEY"
chmod 600 "$c/secrets/OPENAI_API_KEY"
chown -R "$uid:$gid" "$R/var/lib/proxyd-user"
env=$(sed -n 's/^Environment=//p' etc/systemd/proxyd-user.service |
    sed 's,%S,/var/lib,; s,%t,/run,' | tr '\n' ' ')
# shellcheck disable=SC2086
unshare -m sh -c "$IN" sh "$R" env $env sh -c \
    "$LIMITS; exec setpriv --reuid=$uid --regid=$gid --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs /usr/sbin/proxyd -d" >> "$D/log" 2>&1 &
gw_pid=$!
gw_wait; ok $? "it starts as _proxyd, without root"
K=$(inside setpriv --reuid="$uid" --regid="$gid" --clear-groups proxyctl \
    -S /run/proxyd-user/proxyd/ctl.sock -j key create --agent default --email a@b |
    sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
like "$(chat gpt-4o-mini hello)" '"content"' "and answers"
gw_stop
is "$gw_status" 0 "and ends well"

# --- purge -------------------------------------------------------------------
inside dpkg --purge proxyd > "$D/dpkg.out" 2>&1
is $? 0 "dpkg --purge"
rm -f "$R/run/notify"
list > "$D/after"
is "$(diff "$D/before" "$D/after")" "" "nothing of it is left"
is "$(find "$R" -xdev \( -name '*proxyd*' -o -name '*keybroker*' \) \
    ! -path "$R/tmp/*" ! -path "$R/proc/*")" "" "no file has its name"
finish
