#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh: real clients against the gateway.  Installs them below obj/peers, once;
# one that cannot be had is a loud skip with its reason.
set -u
top=$(pwd)
P=$top/obj/peers
mkdir -p "$P"
note() { echo "peers: $*"; }

# want NAME TEST COMMAND...: run the command unless TEST exists already
want() {
	name=$1 probe=$2; shift 2
	rm -f "$P/$name.skip"
	[ -e "$P/$probe" ] && return 0
	note "installing $name"
	(cd "$P" && timeout 300 "$@") > "$P/$name.log" 2>&1 && [ -e "$P/$probe" ] && return 0
	(cd "$P" && timeout 300 "$@") > "$P/$name.log" 2>&1 && [ -e "$P/$probe" ] && return 0
	echo "$name cannot be installed: $(tail -n 1 "$P/$name.log")" > "$P/$name.skip"
	note "SKIPPED $(cat "$P/$name.skip")"
}
want python py/.done sh -c 'python3 -m venv py &&
    py/bin/pip -q install --disable-pip-version-check openai anthropic && touch py/.done'
want node node_modules/openai sh -c 'npm install --no-audit --no-fund --silent \
    openai @anthropic-ai/sdk'
want claude node_modules/.bin/claude sh -c 'npm install --no-audit --no-fund --silent \
    @anthropic-ai/claude-code'
want crewai crew/.done sh -c 'python3 -m venv crew &&
    crew/bin/pip -q install --disable-pip-version-check crewai && touch crew/.done'
PEERS=$P
export PEERS
prove --exec 'sh regress/exec.sh' regress/peers/*.t.sh > "$P/last" 2>&1
r=$?
cat "$P/last"
exit $r
