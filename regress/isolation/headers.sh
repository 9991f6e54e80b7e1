# SPDX-License-Identifier: ISC
# A folder is a process: no file of a role includes another role's header, and
# nothing in common/ knows a role.
. regress/scenario/lib.sh
bad=
for d in proxyd/* keybrokerd/*; do
	[ -d "$d" ] || continue
	own=$d
	case $d in keybrokerd/ledgerdump) own=keybrokerd/ledger ;; esac
	bad=$bad$(grep -n '#include "\(proxyd\|keybrokerd\)/' "$d"/*.[chy] 2>/dev/null |
	    grep -v "\"$own/" | grep -v "\"$d/")
done
is "$bad" "" "no role includes another role's header"
is "$(grep -ln '#include "\(proxyd\|keybrokerd\)/' common/*/*.[ch])" "" "common/ knows no role"
is "$(grep -lE '#include <(curl|openssl/ssl|sqlite3|tls|jansson)' common/*/*.[ch] | tr '\n' ' ')" "" \
    "common/ links no curl, TLS, SQLite or jansson"
long=$(find common proxyd keybrokerd -name '*.[chy]' ! -name 'parse.c' -exec awk 'END { if (FNR > 700) print FILENAME, FNR }' {} \;)
is "$long" "" "no file over 700 lines"
cond=$(grep -nE '^#[ 	]*(if|ifdef|ifndef)' $(find proxyd keybrokerd common -name '*.c' ! -name '*_linux.c' ! -name '*_openbsd.c' ! -name parse.c ! -name default.c) /dev/null | grep -v compat/)
is "$cond" "" "no conditional compilation outside the per-system files"
finish
