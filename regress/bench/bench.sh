# SPDX-License-Identifier: ISC
# bench.sh: the gateway beside nginx (the floor) and HAProxy, in one run.
# Started by make bench from the top of the checkout.
#
# The measured program's whole tree is pinned to core CORE; load and provider
# run on LOADCORE.  Rounds are interleaved, every program once a round, and
# report.pl forms ratios inside a round.  Results: out/bench/.
#
#	ROUNDS=5 SECS=3 IDLE=30	 rounds, seconds of a window, idle time of streams
#	SIDE=3			 rounds in which HAProxy and nosync take part
#	QUICK=1			 small numbers, to try the bench itself
#	CLIENT_TLS=1 PROVIDER_TLS=1	the legs; 0: plain
#	BENCH_DIR=/var/tmp	 where the state lies: a file system on a device
#	NOISY=1			 keep rounds that others disturbed
#	FIGURES="..." PROGRAMS="..."	a part of it
if [ -n "${QUICK:-}" ]; then
	ROUNDS=${ROUNDS:-2} SECS=${SECS:-1} IDLE=${IDLE:-3} SIDE=${SIDE:-1}
fi
ROUNDS=${ROUNDS:-5} SECS=${SECS:-3} IDLE=${IDLE:-30} SIDE=${SIDE:-3}
CLIENT_TLS=${CLIENT_TLS:-1} PROVIDER_TLS=${PROVIDER_TLS:-1}
cores=$(nproc)
CORE=${CORE:-$((cores - 1))} LOADCORE=${LOADCORE:-0}
FIGURES=${FIGURES:-c32 c256 body first paced memory}
PROGRAMS=${PROGRAMS:-nginx gateway haproxy nosync}
TMPDIR=${BENCH_DIR:-/var/tmp}; export TMPDIR
. regress/scenario/lib.sh
LC_ALL=C; export LC_ALL
tools=$top/out/regress
res=$top/out/bench
[ "$cores" -ge 2 ] || { echo "bench: needs two cores" >&2; exit 1; }
mkdir -p "$res"
started=
stop_all() {
	for p in $started; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
	started=
}
trap 'stop_all; cleanup' EXIT
say() { echo "bench: $*" >&2; }
die() { say "$*"; exit 1; }
has() { case " $1 " in *" $2 "*) return 0 ;; esac; return 1; }

chmod 755 "$D"
fs=$("$tools/fsync" "$D" 1) || exit 1
fs=${fs#* }
sh etc/gencert "$D/tls" >/dev/null 2>&1 || die "etc/gencert fails"
cat "$D/tls/server.pem" "$D/tls/server.key" > "$D/tls/both.pem"
ca=$D/tls/ca.pem cert=$D/tls/server.pem key=$D/tls/server.key
device=$(findmnt -no MAJ:MIN -T "$D" | tr -d ' ')

# --- the programs: each sets pid_NAME and port_NAME -------------------------
on_core() { c=$1; shift; exec taskset -c "$c" "$@"; }
reachable() {	# PORT TLS [PATH that answers 2xx]
	for _ in $(seq 200); do
		curl -sk -o /dev/null ${3:+-f} --max-time 2 \
		    "http$([ "$2" = 1 ] && echo s)://127.0.0.1:$1${3:-/}" && return 0
		sleep 0.05
	done
	return 1
}
start_fast() {
	set --
	[ "$PROVIDER_TLS" = 0 ] || set -- -c "$cert" -k "$key"
	on_core "$LOADCORE" "$tools/fast" "$@" -P "$D/fport" & started="$started $!"
	for _ in $(seq 100); do [ -s "$D/fport" ] && break; sleep 0.05; done
	fport=$(cat "$D/fport")
}
start_nginx() {
	port_nginx=$(free_port)
	mkdir -p "$D/nginx"
	user= ssl= pssl= scheme=http
	[ "$(id -u)" != 0 ] || user="user root;"
	[ "$CLIENT_TLS" = 0 ] || ssl="ssl"
	[ "$PROVIDER_TLS" = 0 ] || { scheme=https
		pssl="proxy_ssl_protocols TLSv1.3; proxy_ssl_verify on;
		    proxy_ssl_trusted_certificate $ca; proxy_ssl_name localhost;"; }
	cat > "$D/nginx/nginx.conf" <<END
$user
worker_processes 1;
worker_rlimit_nofile 16384;
pid $D/nginx/pid;
error_log $D/nginx/error.log;
events { worker_connections 8192; }
http {
	access_log off;
	client_body_temp_path $D/nginx/b; proxy_temp_path $D/nginx/p;
	fastcgi_temp_path $D/nginx/f; uwsgi_temp_path $D/nginx/u;
	scgi_temp_path $D/nginx/s;
	client_body_buffer_size 128k;
	keepalive_requests 100000000;
	upstream provider {
		server 127.0.0.1:$fport;
		keepalive 1024; keepalive_requests 100000000;
	}
	server {
		listen 127.0.0.1:$port_nginx $ssl backlog=4096;
		${ssl:+ssl_protocols TLSv1.3; ssl_certificate $cert; ssl_certificate_key $key;}
		location / {
			proxy_pass $scheme://provider;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Authorization "Bearer sk-floor";
			proxy_buffering off;
			proxy_read_timeout 600s;
			$pssl
		}
	}
}
END
	on_core "$CORE" nginx -e "$D/nginx/error.log" -c "$D/nginx/nginx.conf" -g 'daemon off;' &
	pid_nginx=$!; started="$started $!"
	reachable "$port_nginx" "$CLIENT_TLS" || die "nginx does not start"
}
start_haproxy() {
	port_haproxy=$(free_port)
	ssl= pssl=
	[ "$CLIENT_TLS" = 0 ] || ssl="ssl crt $D/tls/both.pem ssl-min-ver TLSv1.3"
	[ "$PROVIDER_TLS" = 0 ] || pssl="ssl verify required ca-file $ca ssl-min-ver TLSv1.3"
	cat > "$D/haproxy.cfg" <<END
global
	nbthread 1
	maxconn 4096
defaults
	mode http
	timeout connect 5s
	timeout client 600s
	timeout server 600s
	http-reuse always
frontend in
	bind 127.0.0.1:$port_haproxy backlog 4096 $ssl
	http-request set-header Authorization "Bearer sk-floor"
	default_backend out
backend out
	server provider 127.0.0.1:$fport $pssl
END
	on_core "$CORE" haproxy -db -f "$D/haproxy.cfg" >"$D/haproxy.log" 2>&1 &
	pid_haproxy=$!; started="$started $!"
	reachable "$port_haproxy" "$CLIENT_TLS" || { cat "$D/haproxy.log"; die "haproxy does not start"; }
}
# start_gw NAME OUT: two workers, one provider, everything that is on by default
start_gw() {
	d=$D/$1 o=$2 port=$(free_port) s=http t=
	mkdir -p "$d/conf"
	[ "$CLIENT_TLS" = 0 ] ||
	    { s=https t="tls certificate \"$cert\" key \"$key\""; }
	{
		echo "listen on 127.0.0.1 port $port $t"
		echo "workers 2"
		echo "limit source 4096"
		echo "grace 1"
		echo "first off"
	} > "$d/conf/proxyd.conf"
	s=http; [ "$PROVIDER_TLS" = 0 ] || s=https
	cat > "$d/conf/keybrokerd.conf" <<END
development
control "$d/ctl.sock"
vault key file "$d/vault.key"
ca file "$ca"
provider openai {
	dialect openai
	url "$s://127.0.0.1:$fport/v1"
	key env OPENAI_API_KEY
}
model "bench-*" openai
END
	OPENAI_API_KEY=sk-bench-$(random_word) on_core "$CORE" "$o/sbin/proxyd" -d \
	    -c "$d/conf" -s "$d/state" > "$d/log" 2>&1 &
	gpid=$!; started="$started $gpid"
	if ! reachable "$port" "$CLIENT_TLS" /health/startup || ! kill -0 "$gpid"; then
		tail -n 20 "$d/log" >&2
		die "$1 does not start"
	fi
	eval "pid_$1=$gpid port_$1=$port ctl_$1=$d/ctl.sock"
	PROXYD_CONTROL=$d/ctl.sock; export PROXYD_CONTROL
	keys=$(new_key)	# a key has at most 256 calls open
	for _ in 1 2 3 4 5 6 7; do keys=$keys,$(new_key); done
	eval "key_$1=$keys"
}

# --- what is read beside a window -------------------------------------------
# Flush requests that the state's device has completed.
flushes() { awk -v d="$device" '$1 ":" $2 == d { print $19 + 0 }' /proc/diskstats; }
batches() {	# NAME: of the ledger, as the broker counted them
	eval "PROXYD_CONTROL=\$ctl_$1"; export PROXYD_CONTROL
	ctl status 2>/dev/null | sed -n 's/.*batches \([0-9]*\), entries.*/\1/p'
}
pss() {	# PID: KiB of its tree
	for p in $(tree_of "$1"); do cat /proc/"$p"/smaps_rollup; done 2>/dev/null |
	    awk '$1 == "Pss:" { s += $2 } END { print s + 0 }'
}
sockmem() { awk '$1 == "TCP:" { print $NF * 4, $3 }' /proc/net/sockstat; }

# window ROUND FIGURE PROGRAM: one row of rounds.csv
window() {
	set -- "$1" "$2" "$3" 32 bench-plain 200
	case $2 in
	c256) set -- "$1" "$2" "$3" 256 bench-plain 200 ;;
	body) set -- "$1" "$2" "$3" 1 bench-plain 77824 ;;
	first) set -- "$1" "$2" "$3" 1 bench-first 200 ;;
	paced) set -- "$1" "$2" "$3" 50 bench-paced 200 ;;
	esac
	eval "pid=\$pid_$3 port=\$port_$3 k=\${key_$3:-none}"
	sync= b0= f0= nf= nb=
	case $3 in gateway | nosync)
		sync=$(taskset -c "$CORE" "$tools/fsync" "$D" 100); sync=${sync% *}
		b0=$(batches "$3") f0=$(flushes) ;;
	esac
	a=; [ "$CLIENT_TLS" = 0 ] || a="-a $ca"
	# shellcheck disable=SC2086
	row=$(taskset -c "$LOADCORE" "$tools/load" $a -p "$port" -c "$4" -d "$SECS" \
	    -k "$k" -m "$5" -b "$6" -t "$pid" -u "$CORE") || row=0,1,1,0,0,0,0,0,0,0
	case $3 in gateway | nosync)
		nf=$(($(flushes) - f0)) nb=$(($(batches "$3") - b0)) ;;
	esac
	echo "$1,$2,$3,$4,$row,$nf,$nb,$sync" | tee -a "$res/rounds.csv" >&2
}

# --- facts ------------------------------------------------------------------
facts() {
	echo "date: $(date -u '+%F %T') UTC"
	echo "revision: $(git rev-parse --short HEAD 2>/dev/null)$(git diff --quiet HEAD 2>/dev/null || echo ' with changes')"
	echo "machine: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $cores cores, $(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo) MiB"
	echo "kernel: $(uname -sr); load average before: $(cut -d' ' -f1-3 /proc/loadavg)"
	echo "programs: $(nginx -v 2>&1 | sed 's/.*: //'), $(haproxy -v | head -n 1 | cut -d' ' -f1-3), $(openssl version | cut -d' ' -f1-2)"
	echo "legs: client $([ "$CLIENT_TLS" = 1 ] && echo TLS 1.3 || echo plain), provider $([ "$PROVIDER_TLS" = 1 ] && echo TLS 1.3 || echo plain)"
	echo "state: $D on $fs, device $device; fdatasync p50 $("$tools/fsync" "$D" 200 | cut -d' ' -f1) us"
	echo "method: program on core $CORE, load and provider on core $LOADCORE; $ROUNDS rounds of $SECS s ($SIDE with HAProxy and nosync), streams idle $IDLE s"
}
facts > "$res/machine.txt"
echo "round,figure,program,conns,$("$tools/load" -C),syncs,batches,fdatasync_us" > "$res/rounds.csv"
echo "program,streams,pss_kib,tcp_kib,tcp_sockets" > "$res/memory.csv"

# --- idle footprint, before anything else runs ------------------------------
start_fast
if has "$PROGRAMS" gateway; then
	start_gw gateway "$OUT"
	sleep 3
	echo "gateway,0,$(pss "$pid_gateway"),$(sockmem | tr ' ' ,)" >> "$res/memory.csv"
fi
for p in $PROGRAMS; do
	case $p in
	gateway) ;;
	nosync) start_gw nosync "$top/obj/nosync/out" ;;
	*) start_"$p"
		sleep 1
		eval "echo $p,0,\$(pss \$pid_$p),\$(sockmem | tr ' ' ,)" >> "$res/memory.csv" ;;
	esac
done

# --- rounds -----------------------------------------------------------------
for r in $(seq "$ROUNDS"); do
	for f in $FIGURES; do
		[ "$f" != memory ] || continue
		for p in $PROGRAMS; do
			case $p-$f in
			haproxy-paced | nosync-body | nosync-first | nosync-paced) continue ;;
			haproxy-* | nosync-*) [ "$r" -le "$SIDE" ] || continue ;;
			esac
			window "$r" "$f" "$p"
		done
	done
done

# --- memory of idle streams: the slope between 200 and 1,200 -----------------
holders=
more_streams() {	# COUNT: so many more at each program
	for p in $PROGRAMS; do
		[ "$p" != nosync ] || continue
		eval "port=\$port_$p k=\${key_$p:-none}"
		a=; [ "$CLIENT_TLS" = 0 ] || a="-a $ca"
		: > "$D/hold"
		# shellcheck disable=SC2086
		taskset -c "$LOADCORE" "$tools/load" $a -p "$port" -c "$1" -h -k "$k" \
		    -m bench-hold -b 200 > "$D/hold" &
		holders="$holders $!" started="$started $!"
		for _ in $(seq 600); do
			[ -s "$D/hold" ] && break
			kill -0 $! 2>/dev/null || break
			sleep 0.1
		done
		[ -s "$D/hold" ] || say "$p: $1 streams do not open"
	done
}
if has "$FIGURES" memory; then
	[ -z "${pid_nosync:-}" ] || { kill "$pid_nosync"; wait "$pid_nosync"; }
	streams=0
	for n in 200 1000; do
		more_streams $n
		streams=$((streams + n))
		sleep "$IDLE"
		for p in $PROGRAMS; do
			[ "$p" != nosync ] || continue
			eval "pid=\$pid_$p"
			echo "$p,$streams,$(pss "$pid"),$(sockmem | tr ' ' ,)"
		done | tee -a "$res/memory.csv" >&2
	done
	for p in $holders; do kill "$p" 2>/dev/null; done
fi
stop_all
perl regress/bench/report.pl "$res"
