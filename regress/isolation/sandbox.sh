# SPDX-License-Identifier: ISC
# S3: forbidden calls, injected by ptrace into the serving roles of a running
# gateway, kill them or fail; what /proc says of each role; one allowed call
# passes.  Needs root for ptrace; without it only the /proc part runs.
. regress/scenario/lib.sh
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
uids=$(for r in worker broker ledger egress dial tlskey export; do status "$(role_pid $r)" Uid | cut -f1; done | sort | uniq -d)
[ "$(id -u)" != 0 ] || is "$uids" "" "no two roles share a uid"
if [ "$(id -u)" = 0 ] && [ -x out/regress/inject ]; then
	# inject PID CALL: "killed", "errno N", or "returned N"
	for role in worker broker ledger egress dial tlskey export; do
		for call in execve ptrace process_vm_readv openat_passwd socket_inet socket_unix \
		    connect sendto_fastopen sendmsg_fastopen shutdown_listen attach_filter mmap_exec memfd_create unshare mount bpf io_uring_setup keyctl \
		    perf_event_open kill_parent fork setuid; do
			p=
			for _ in $(seq 100); do
				p=$(role_pid $role); [ -n "$p" ] && [ "$(status "$p" Seccomp)" = 2 ] && break
				sleep 0.05
			done
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
		p=$(role_pid $role)
		r=$(out/regress/inject "$p" clock_gettime)
		like "$r" '^returned 0' "$role: an allowed call passes"
	done
else
	diag "not root: injection into roles left out"
fi
gw_stop
finish
