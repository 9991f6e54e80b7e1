# SPDX-License-Identifier: ISC
# lib.sh: TAP and a real gateway on a temporary directory.  Sourced by every
# scenario; run from the top of the checkout: sh regress/scenario/NAME.sh
# Everything listens on loopback; only processes started here are ended.

top=$(pwd)
n_tests=0 n_failed=0
gw_pid= provider_pid=
unset OPENAI_API_KEY ANTHROPIC_API_KEY TAPPASS_VAULT_KEY TAPPASS_ADMIN_API_KEY \
    TAPPASS_ADMIN_KEY PROXYD_CONTROL OPENAI_BASE_URL ANTHROPIC_BASE_URL \
    NOTIFY_SOCKET http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
OUT=${OUT:-$top/out}
PROVIDER=${PROVIDER:-$top/out/regress/provider}

skip_all() { echo "1..0 # SKIP $*"; exit 0; }

# ok STATUS NAME: STATUS 0 is a pass.
ok() {
	n_tests=$((n_tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n_tests - $2"
	else
		n_failed=$((n_failed + 1))
		echo "not ok $n_tests - $2"
	fi
}
# is GOT WANTED NAME
is() {
	if [ "$1" = "$2" ]; then ok 0 "$3"; else
		ok 1 "$3"
		echo "#   got: $(printf %s "$1" | tr '\n' ' ' | cut -c1-300)"
		echo "# wanted: $(printf %s "$2" | tr '\n' ' ' | cut -c1-300)"
	fi
}
# like TEXT PATTERN NAME (grep -E)
like() {
	if printf '%s\n' "$1" | grep -Eq -e "$2"; then ok 0 "$3"; else
		ok 1 "$3"
		echo "#   got: $(printf %s "$1" | tr '\n\r' '  ' | cut -c1-400)"
		echo "# wanted: $2"
	fi
}
unlike() {
	if printf '%s\n' "$1" | grep -Eq -e "$2"; then
		ok 1 "$3"
		echo "#   got: $(printf %s "$1" | tr '\n\r' '  ' | cut -c1-400)"
	else ok 0 "$3"; fi
}
diag() { echo "# $*"; }
finish() {
	echo "1..$n_tests"
	[ $n_failed = 0 ] || {
		[ -f "$D/log" ] && tail -n 40 "$D/log" | sed 's/^/# log: /'
	}
	[ $n_failed = 0 ]
	exit
}

# Below the ports that connections get: none of those can be in its place when
# the gateway comes to listen.
free_port() {
	perl -MIO::Socket::INET -e 'for (1 .. 1000) {
	    my $p = 12000 + int rand 20000;
	    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1",
	        LocalPort => $p, ReuseAddr => 1) or next;
	    print $p; exit 0 } exit 1'
}
# soon SECONDS COMMAND [ARGS]: until the command succeeds.  What is to come is
# waited for with this, never with a sleep: machines stall.
soon() {
	soon_end=$(($(date +%s) + $1)); shift
	until "$@"; do
		[ "$(date +%s)" -lt "$soon_end" ] || return 1
		sleep 0.05
	done
}
# has FILE PATTERN (grep -E); sees PATTERN COMMAND [ARGS]: it says so
has() { grep -Eq -e "$2" "$1" 2>/dev/null; }
sees() { sees_p=$1; shift; "$@" 2>&1 | grep -Eq -e "$sees_p"; }
# serves CODE [MODEL]: the answer to a call
serves() { [ "$(code chat "${2:-gpt-4o-mini}" hi)" = "$1" ]; }
random_word() { od -An -N9 -tx1 /dev/urandom | tr -d ' \n'; }

cleanup() {
	[ -z "$gw_pid" ] || { kill "$gw_pid" 2>/dev/null && wait "$gw_pid" 2>/dev/null; }
	[ -z "$provider_pid" ] || kill "$provider_pid" 2>/dev/null
	[ -n "${KEEP:-}" ] && { echo "# kept $D"; return; }
	[ -z "$D" ] || rm -rf "$D"
}
D=$(mktemp -d "${TMPDIR:-/tmp}/proxyd.XXXXXX") || exit 1
trap cleanup EXIT
trap 'exit 1' INT TERM

# provider_start [ARGS]: PPORT, log in $D/provider.log
provider_start() {
	rm -f "$D/pport"
	"$PROVIDER" -p 0 -P "$D/pport" -l "$D/provider.log" "$@" >/dev/null 2>"$D/provider.err" &
	provider_pid=$!
	soon 30 [ -s "$D/pport" ]
	PPORT=$(cat "$D/pport")
}

# gw_config: $D/conf/*.conf; EXTRA_P and EXTRA_K are appended lines.
gw_config() {
	mkdir -p "$D/conf"
	PORT=${PORT:-$(free_port)}
	cat > "$D/conf/proxyd.conf" <<END
listen on 127.0.0.1 port $PORT
workers ${WORKERS:-2}
first off
${EXTRA_P:-}
END
	cat > "$D/conf/keybrokerd.conf" <<END
development
control "$D/ctl.sock"
vault key file "$D/vault.key"
provider openai {
	dialect openai
	url "${OPENAI_URL:-http://127.0.0.1:${PPORT:-1}/v1}"
	key env OPENAI_API_KEY
	${EXTRA_OPENAI:-}
}
provider anthropic {
	dialect anthropic
	url "${ANTHROPIC_URL:-http://127.0.0.1:${PPORT:-1}}"
	key env ANTHROPIC_API_KEY
	${EXTRA_ANTHROPIC:-}
}
model "gpt-4o-mini" openai
model "text-embedding-3-small" openai
model "claude-haiku-4-5" anthropic
model "gpt-*" openai
model "mode-*" openai
model "text-embedding-*" openai
model "claude-*" anthropic
${EXTRA_K:-}
END
	B=http://127.0.0.1:$PORT
	PROXYD_CONTROL=$D/ctl.sock
	export PROXYD_CONTROL
}

# gw_spawn: start proxyd with planted keys; gw_wait: until it serves.
gw_spawn() {
	OKEY=${OKEY-sk-test-$(random_word)$(random_word)}
	AKEY=${AKEY-sk-ant-test-$(random_word)$(random_word)}
	env ${OKEY:+OPENAI_API_KEY="$OKEY"} ${AKEY:+ANTHROPIC_API_KEY="$AKEY"} \
	    ${GW_WRAP:-} "$OUT/sbin/proxyd" -d ${VERBOSE:+-v} -c "$D/conf" -s "$D/state" \
	    ${GW_ARGS:-} >> "$D/log" 2>&1 &
	gw_pid=$!
}
# A busy machine may not have every egress up when the broker begins to serve.
egresses_up() { ! ctl status 2>/dev/null | grep -q '^egress .* down'; }
gw_wait() {
	for _ in $(seq 1200); do
		kill -0 "$gw_pid" 2>/dev/null || return 1
		curl -sf -o /dev/null --max-time 30 "$B/health/startup" &&
		    { soon 20 egresses_up; return 0; }
		sleep 0.05
	done
	return 1
}
gw_start() {
	[ -n "$provider_pid" ] || provider_start
	gw_config
	gw_spawn
	gw_wait || { echo "Bail out! gateway does not start"; sed 's/^/# /' "$D/log"; exit 1; }
	K=$(new_key)
}
gw_stop() {
	[ -z "$gw_pid" ] || { kill "$gw_pid"; wait "$gw_pid"; gw_status=$?; gw_pid=; }
}
ctl() { "$OUT/sbin/proxyctl" "$@"; }
new_key() {
	ctl -j key create --agent default --email a@b "$@" |
	    sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p'
}
# Pids of the whole tree below the gateway, itself included.
gw_tree() { tree_of "$gw_pid"; }
tree_of() {
	echo "$1"
	for c in $(cat /proc/"$1"/task/"$1"/children 2>/dev/null); do tree_of "$c"; done
}
# pids of one role by executable name
role_pids() {
	for p in $(gw_tree); do
		case $(readlink /proc/"$p"/exe 2>/dev/null) in */"$1") echo "$p" ;; esac
	done
}
role_pid() { role_pids "$1" | head -n 1; }

# chat MODEL TEXT [CURL ARGS]: plain OpenAI call; body on stdout
chat() {
	m=$1 t=$2; shift 2
	curl -s --max-time 30 "$B/v1/chat/completions" -H "Authorization: Bearer $K" \
	    -H 'Content-Type: application/json' "$@" \
	    -d "{\"model\":\"$m\",\"messages\":[{\"role\":\"user\",\"content\":\"$t\"}]}"
}
chat_stream() {
	m=$1 t=$2; shift 2
	curl -sN --max-time 30 "$B/v1/chat/completions" -H "Authorization: Bearer $K" \
	    -H 'Content-Type: application/json' "$@" \
	    -d "{\"model\":\"$m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"$t\"}]}"
}
messages() {
	m=$1 t=$2; shift 2
	curl -sN --max-time 30 "$B/v1/messages" -H "x-api-key: $K" \
	    -H 'anthropic-version: 2023-06-01' -H 'Content-Type: application/json' "$@" \
	    -d "{\"model\":\"$m\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":\"$t\"}]}"
}
# hang_up PID...: ends calls in the background; $! of one is the shell about its
# curl, and both go.
hang_up() { for h in "$@"; do pkill -P "$h"; kill "$h"; wait "$h"; done 2>/dev/null; }
# status code only
code() { "$@" -o /dev/null -w '%{http_code}'; }
verify() { "$OUT/bin/auditverify" "$@"; }
