# SPDX-License-Identifier: ISC
# R8 and S11: what each role links, read three ways: NEEDED of the executable,
# /proc/PID/maps of the running role, and nm for symbol prefixes (a static
# library would hide from the first two).
. regress/scenario/lib.sh

# executable | libraries it may link beside libc, libbsd, libmd, libseccomp
table="sbin/proxyd:
sbin/keybrokerd:
libexec/proxyd/worker:tls event_core jansson crypto ssl
libexec/keybrokerd/broker:sodium crypto
libexec/keybrokerd/ledger:sqlite crypto
libexec/keybrokerd/ledgerdump:sqlite crypto
libexec/keybrokerd/egress:curl event_core crypto sodium ssl
libexec/keybrokerd/dial:
libexec/keybrokerd/tlskey:crypto
libexec/keybrokerd/export:sodium crypto
libexec/keybrokerd/kms:curl jansson ssl crypto sodium
bin/auditverify:sodium crypto"
base="c bsd md seccomp m pthread"

check_needed() {	# FILE LIBS
	for lib in $(objdump -p "$1" | sed -n 's/ *NEEDED *lib\([a-z0-9_+]*[a-z_]\)[-0-9.]*\.so.*/\1/p'); do
		case " $base $2 " in
		*" $lib "*) ;;
		*) echo "$lib"; return 1 ;;
		esac
	done
}
echo "$table" | { while IFS=: read -r f libs; do
	bad=$(check_needed "$OUT/$f" "$libs") && ok 0 "$f links only: ${libs:-libc}" ||
	    ok 1 "$f links $bad"
	for p in curl_: SSL_:ssl sqlite3_:sqlite json_:jansson; do
		pre=${p%%:*}
		case $f:$pre in
		*worker:json_|*ledger:sqlite3_|*ledgerdump:sqlite3_|*kms:curl_|*kms:json_|*kms:SSL_|*egress:curl_|*egress:SSL_|*worker:SSL_) continue ;;
		esac
		nm -D --undefined-only "$OUT/$f" | grep -q " U $pre"
		[ $? = 1 ] && nm "$OUT/$f" 2>/dev/null | grep -q " [TtU] $pre[a-z]*[a-z0-9_]*$" &&
		    { case $pre in json_) nm "$OUT/$f" | grep -E " [U] json_" >/dev/null && ok 1 "$f has $pre symbols" || ok 0 "$f: no $pre" ;; *) ok 1 "$f has $pre symbols" ;; esac; } ||
		    ok 0 "$f: no $pre symbols"
	done
done
echo $n_tests $n_failed > "$D/count"; }
read -r n_tests n_failed < "$D/count"

gw_start
chat gpt-4o-mini hello >/dev/null
for r in broker:"curl|ssl|sqlite|jansson|tls" ledger:"curl|ssl|sodium|jansson|tls" \
    export:"curl|ssl|sqlite|jansson|tls" egress:"sqlite|jansson" dial:"curl|ssl|sqlite|jansson|sodium|crypto" worker:"sqlite|curl|sodium" \
    proxyd:"curl|ssl|sqlite|jansson|sodium|crypto" keybrokerd:"curl|ssl|sqlite|jansson|sodium|crypto"; do
	p=$(role_pid "${r%%:*}")
	unlike "$(sed -n 's,.*/lib/,,p' /proc/"$p"/maps | sort -u)" "lib(${r#*:})" "running ${r%%:*} maps no other library"
done
gw_stop
finish
