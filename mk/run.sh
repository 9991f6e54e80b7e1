#!/bin/sh
# run.sh: what `make run` does after the build.  Settings: RUN, LISTEN,
# OPENAI_UPSTREAM, ANTHROPIC_UPSTREAM.  The gateway stays in the foreground;
# Ctrl-C ends everything.  Keys are never printed here but the developer's own.
set -eu
umask 077
top=$(pwd)
run=${RUN:-run}
listen=${LISTEN:-127.0.0.1:9620}
case $run in /*) ;; *) run=$top/$run ;; esac
host=${listen%:*} port=${listen##*:}
case $host in
127.*|localhost|"[::1]"|::1) ;;
*)	echo "LISTEN=$listen is no loopback address: plain HTTP there would" \
	    "show keys and prompts; put TLS in front, or configure" \
	    "\"insecure\" by hand (proxyd.conf(5))" >&2
	exit 1 ;;
esac
host=$(echo "$host" | tr -d '[]')

# Is a real key there?  A tp_ value is ours, not a provider's.
has() {
	eval "v=\${$1:-}"
	case $v in
	"") ;;
	tp_*) echo "note: $1 holds a tp_ key, not a provider's: ignored" >&2 ;;
	*) return 0 ;;
	esac
	[ -f .env ] && grep -Eq "^(export )?$1=[\"']?[^\"' t]|^(export )?$1=[\"']?t[^p]" .env
}
provider_pid= waiter_pid=
cleanup() {
	[ -z "$waiter_pid" ] || kill "$waiter_pid" 2>/dev/null || :
	[ -z "$provider_pid" ] || kill "$provider_pid" 2>/dev/null || :
}
trap cleanup EXIT
trap : INT

mkdir -p "$run"
chmod 700 "$run"
openai=${OPENAI_UPSTREAM:-https://api.openai.com/v1}
anthropic=${ANTHROPIC_UPSTREAM:-https://api.anthropic.com}
envfile=
[ -f .env ] && envfile="-e $top/.env"
real=
has OPENAI_API_KEY && real="$real openai"
has ANTHROPIC_API_KEY && real="$real anthropic"
if [ -z "$real" ]; then
	rm -f "$run/provider.port"
	OPENAI_API_KEY=sk-demo-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	ANTHROPIC_API_KEY=sk-demo-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	export OPENAI_API_KEY ANTHROPIC_API_KEY
	out/regress/provider -p 0 -P "$run/provider.port" \
	    -l "$run/provider.log" >/dev/null 2>&1 &
	provider_pid=$!
	n=0
	while [ ! -s "$run/provider.port" ]; do
		n=$((n + 1))
		[ $n -lt 100 ] || { echo "the bundled provider does not start" >&2; exit 1; }
		sleep 0.05
	done
	pport=$(cat "$run/provider.port")
	echo "No provider key in the environment or .env: using the bundled" \
	    "loopback provider on 127.0.0.1:$pport (its answers are canned)."
	[ -n "${OPENAI_UPSTREAM:-}" ] || openai=http://127.0.0.1:$pport/v1
	[ -n "${ANTHROPIC_UPSTREAM:-}" ] || anthropic=http://127.0.0.1:$pport
	envfile=
else
	echo "Provider keys found for:$real"
fi

cat > "$run/proxyd.conf" <<END
# Written by make run; overwritten by the next one.
listen on $host port $port
workers 2
first off
END
sed -e "s,^	url \"https://api.openai.com/v1\",	url \"$openai\"," \
    -e "s,^	url \"https://api.anthropic.com\",	url \"$anthropic\"," \
    etc/keybrokerd.conf > "$run/keybrokerd.conf"
cat >> "$run/keybrokerd.conf" <<END

# Written by make run; overwritten by the next one.
development
control "$run/ctl.sock"
vault key file "$run/vault.key"
END

model=gpt-4o-mini
case $real in " anthropic") model= ;; esac
# When the gateway serves: a fresh developer key, the export lines, one curl.
announce() {
	PROXYD_CONTROL=$run/ctl.sock
	export PROXYD_CONTROL
	n=0
	until curl -sf -o /dev/null "http://$listen/health/startup"; do
		n=$((n + 1))
		[ $n -lt 600 ] || exit 0
		sleep 0.1
	done
	out/sbin/proxyctl first --env "$run/env" --listen "$listen" \
	    --admin "$run/admin.env" || exit 0
	. "$run/env"
	echo
	cat "$run/env"
	echo
	echo "These lines are in ${run#"$top"/}/env.  Try:"
	if [ -n "$model" ]; then
		echo "  curl -s $OPENAI_BASE_URL/chat/completions" \
		    "-H 'Authorization: Bearer $OPENAI_API_KEY'" \
		    "-H 'Content-Type: application/json'" \
		    "-d '{\"model\":\"$model\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'"
	else
		echo "  curl -s $ANTHROPIC_BASE_URL/v1/messages" \
		    "-H 'x-api-key: $ANTHROPIC_API_KEY'" \
		    "-H 'Content-Type: application/json'" \
		    "-d '{\"model\":\"claude-haiku-4-5\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'"
	fi
	echo
}
announce &
waiter_pid=$!

# shellcheck disable=SC2086
out/sbin/proxyd -d -c "$run" -s "$run/state" $envfile && r=0 || r=$?
exit $r
