# SPDX-License-Identifier: ISC
# Documentation: pages lint silently, the message list is that of proto.h,
# examples are parsed by -n, the built-in configuration is the shipped one.
. regress/scenario/lib.sh
is "$(cd man && mandoc -Tlint ./*.[1578] 2>&1 | grep -v 'outdated mandoc.db')" "" "mandoc -Tlint is silent"
cp man/keybroker-protocol.7 "$D/p7"
sh mk/manproto.sh
cmp -s man/keybroker-protocol.7 "$D/p7"
ok $? "keybroker-protocol(7) lists the messages of proto.h"
for page in proxyd.conf keybrokerd.conf; do
	mkdir -p "$D/$page"
	cp etc/proxyd.conf etc/keybrokerd.conf "$D/$page/"
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "man/$page.5" | sed '/^\./d; s/\\e/\\/g' > "$D/$page/$page"
	out=$("$OUT/sbin/proxyd" -n -c "$D/$page" 2>&1)
	is $? 0 "the example of $page(5) parses: $(echo "$out" | head -n 1)"
done
mkdir "$D/etc"; cp etc/*.conf "$D/etc/"
out=$("$OUT/sbin/proxyd" -n -c "$D/etc" 2>&1); is $? 0 "etc/*.conf parse"
HOME=$D out=$(env HOME="$D" "$OUT/sbin/proxyd" -n -v -s "$D/x" 2>&1)
like "$out" '^listen on 127.0.0.1 port 9620' "-n -v prints the built-in proxyd.conf"
like "$out" '^provider anthropic' "and keybrokerd.conf"
# every row of secrets.tbl stands in SECURITY.md
missing=
for k in $(grep -v '^#' common/secrets.tbl | awk 'NF { print $1 }'); do
	grep -q "$k" SECURITY.md || missing="$missing $k"
done
is "$missing" "" "SECURITY.md prints secrets.tbl"
# every variable that reaches KMS code is in the page of back ends
missing=
for v in $(sed -n 's/^\t{ "\([A-Z_0-9]*\)", KV_.*/\1/p' common/kms/kmsvar.c); do
	grep -q "$v" man/vault-kms.5 || missing="$missing $v"
done
is "$missing" "" "vault-kms(5) has every variable of the back ends"
# options and commands that the pages name exist, and the other way round
for c in status reload stop agent key secret first admin-key; do
	grep -q "Cm $c" man/proxyctl.8 || missing="$missing $c"
done
is "$missing" "" "proxyctl(8) has every command"
finish
