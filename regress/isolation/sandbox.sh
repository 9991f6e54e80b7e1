# SPDX-License-Identifier: ISC
# S3: forbidden calls, injected by ptrace into the serving roles of a running
# gateway, kill them or fail; what /proc says of each role; one allowed call
# passes.  Needs root for ptrace; without it only the /proc part runs.
. regress/scenario/lib.sh
. regress/scenario/kmslife.inc
sh etc/gencert "$D/tls"
EXTRA_P="listen on 127.0.0.1 port $(free_port) tls certificate \"$D/tls/server.pem\" key \"$D/tls/server.key\""
gw_start
chat gpt-4o-mini hi > /dev/null
status() { sed -n "s/^$2:[	 ]*//p" /proc/"$1"/status; }
for role in worker broker ledger egress dial tlskey export; do
	p=$(role_pid $role)
	is "$(status "$p" Seccomp)" 2 "$role: seccomp filter"
	is "$(status "$p" NoNewPrivs)" 1 "$role: no_new_privs"
	is "$(status "$p" CapEff)" 0000000000000000 "$role: no capability"
	if [ "$(id -u)" = 0 ]; then
		uid=$(status "$p" Uid | cut -f1)
		[ "$uid" -ge 60800 ] && [ "$uid" -le 60815 ]; ok $? "$role: uid $uid of its own"
		case $role in
		dial|export) ;;
		ledger) like "$(readlink /proc/"$p"/root)" "$D/state$" "$role: root is the state directory" ;;
		*) like "$(readlink /proc/"$p"/root)" "$D/state/empty$" "$role: empty root" ;;
		esac
		is "$(find /proc/"$p"/root/ -maxdepth 1 -mindepth 1 2>/dev/null | grep -c . )" \
		    "$(case $role in dial|export|ledger) find /proc/"$p"/root/ -maxdepth 1 -mindepth 1 2>/dev/null | grep -c . ;; *) echo 0 ;; esac)" "$role: sees no file"
	fi
	bad=$(awk '$2 ~ /w/ && $2 ~ /x/' /proc/"$p"/maps)
	is "$bad" "" "$role: no writable and executable mapping"
done
# One of the role that has confined itself; its pid in $p.
confined() { p=$(role_pid $role); [ -n "$p" ] && [ "$(status "$p" Seccomp)" = 2 ]; }
uids=$(for r in worker broker ledger egress dial tlskey export; do status "$(role_pid $r)" Uid | cut -f1; done | sort | uniq -d)
[ "$(id -u)" != 0 ] || is "$uids" "" "no two roles share a uid"
if [ "$(id -u)" = 0 ] && [ -x out/regress/inject ]; then
	# inject PID CALL: "killed", "errno N", or "returned N"
	for role in worker broker ledger egress dial tlskey export; do
		for call in execve ptrace process_vm_readv openat_passwd socket_inet socket_unix \
		    connect sendto_fastopen sendmsg_fastopen shutdown_listen attach_filter mmap_exec memfd_create unshare mount bpf io_uring_setup keyctl \
		    perf_event_open kill_parent fork setuid; do
			soon 60 confined || ok 1 "$role: does not come back"
			r=$(out/regress/inject "$p" $call)
			case $role:$call:$r in
			egress:attach_filter:errno\ 92) ok 0 "$role: $call fails ($r)" ;;
			worker:*_fastopen:errno*|egress:*_fastopen:errno*|worker:shutdown_listen:errno*|*:attach_filter:errno*)
				[ $role = dial ]; ok $? "$role: $call must be refused by the filter ($r)" ;;
			*:killed) ok 0 "$role: $call kills" ;;
			*:errno*) ok 0 "$role: $call fails ($r)" ;;
			dial:socket_inet:*|dial:connect:*) ok 0 "$role: $call is its duty" ;;
			*) ok 1 "$role: $call: $r" ;;
			esac
			# Three violations in a minute would stop it: start afresh
			case $r in killed) echo $role >> "$D/deaths" ;; esac
			if [ "$(grep -c $role "$D/deaths" 2>/dev/null)" -ge 2 ]; then
				gw_stop; : > "$D/deaths"; gw_spawn; gw_wait
			fi
		done
		soon 60 confined
		r=$(out/regress/inject "$p" clock_gettime)
		like "$r" '^returned 0' "$role: an allowed call passes"
	done
else
	diag "not root: injection into roles left out"
fi
gw_stop

# kms: held in an exchange by a service that hangs.
rm -rf "$D/state" "$D/ctl.sock" "$D/vault.key"
fake_start; kms_env vault
kms_held() {	# one that waits; its pid in $p
	for _ in $(seq 400); do
		p=$(role_pid kms)
		[ -n "$p" ] && [ "$(status "$p" Seccomp)" = 2 ] && return 0
		[ -n "$rotating" ] && kill -0 "$rotating" 2>/dev/null || {
			ctl vault rotate > /dev/null 2>&1 & rotating=$!
		}
		sleep 0.1
	done
	return 1
}
kms_fresh() {
	[ -z "$gw_pid" ] || gw_stop
	fake_mode ok; gw_spawn; gw_wait; rotating=; : > "$D/deaths"
	# the one that was started ahead may still be at its exchange
	no_kms() { [ -z "$(role_pid kms)" ]; }
	soon 60 no_kms
	fake_mode hang-head
}
PORT=$(free_port); gw_config; kms_fresh
kms_held; ok $? "kms: is there while its service hangs"
is "$(status "$p" Seccomp)" 2 "kms: seccomp filter"
is "$(status "$p" NoNewPrivs)" 1 "kms: no_new_privs"
is "$(status "$p" CapEff)" 0000000000000000 "kms: no capability"
is "$(awk '$2 ~ /w/ && $2 ~ /x/' /proc/"$p"/maps)" "" "kms: no writable and executable mapping"
if [ "$(id -u)" = 0 ]; then
	is "$(status "$p" Uid | cut -f1)" 60808 "kms: a uid of its own"
	like "$(readlink /proc/"$p"/root)" "$D/state/empty$" "kms: empty root"
fi
if [ "$(id -u)" = 0 ] && [ -x out/regress/inject ]; then
	for call in execve ptrace process_vm_readv openat_passwd socket_inet socket_unix connect sendto_fastopen \
	    sendmsg_fastopen shutdown_listen attach_filter mmap_exec memfd_create unshare mount bpf io_uring_setup \
	    keyctl perf_event_open kill_parent fork setuid; do
		kms_held || break
		r=$(out/regress/inject "$p" $call)
		case $r in
		killed) ok 0 "kms: $call kills"; echo x >> "$D/deaths" ;;
		errno*) ok 0 "kms: $call fails ($r)" ;;
		*) ok 1 "kms: $call: $r" ;;
		esac
		# Three violations in a minute would stop it: start afresh
		[ "$(grep -c x "$D/deaths")" -ge 2 ] && kms_fresh
	done
	kms_held
	like "$(out/regress/inject "$p" clock_gettime)" '^returned 0' "kms: an allowed call passes"
fi
gw_stop
fake_stop
finish
