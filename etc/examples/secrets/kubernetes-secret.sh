#!/bin/sh
# The plain Kubernetes Secret, from the environment or from questions without
# echo; values never stand on a command line.
#   sh kubernetes-secret.sh [namespace]
set -eu
ns=${1:-tappass}
ask() {
	eval "v=\${$1:-}"
	if [ -z "$v" ]; then
		printf '%s: ' "$1" >&2
		stty -echo; IFS= read -r v; stty echo; echo >&2
	fi
	[ -z "$v" ] || printf '%s=%s\n' "$1" "$v"
}
{ ask OPENAI_API_KEY; ask ANTHROPIC_API_KEY; } |
    kubectl create secret generic tappass-llm-secrets -n "$ns" \
    --from-env-file=/dev/stdin --dry-run=client -o yaml |
    kubectl apply --server-side --field-manager=proxyd -f -
