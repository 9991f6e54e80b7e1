#!/bin/sh
# SPDX-License-Identifier: ISC
# helm.t.sh: the chart rendered and linted, every manifest against the schemas
# of Kubernetes, what the pod may do, and that the gateway takes the rendered
# configuration.  The examples of etc/examples/secrets are parsed.
. regress/peers/peerlib.sh
need_peer helm
T=${HELMTOOLS:-$PEERS/go/helm}
[ -e "$T/.done" ] || skip_all "helm and kubeconform are not there: make helm"
C=etc/kubernetes/proxyd
helm() { "$T/bin/helm" "$@"; }
conform() {
	"$T/bin/kubeconform" -strict -summary \
	    -schema-location "$T/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" \
	    -schema-location "$top/regress/peers/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$@"
}
conforms() {
	conform "$1" > "$D/out" 2>&1; r=$?
	diag "$(tail -n 1 "$D/out")"
	[ $r = 0 ] && grep -q 'Errors: 0, Skipped: 0' "$D/out" || {
		sed 's/^/# /' "$D/out"; r=1; }
	ok $r "$2"
}
render() { helm template proxyd $C -n tappass "$@"; }

helm lint --strict $C > "$D/out" 2>&1
is $? 0 "helm lint --strict"
for v in default "tls --set tls.secretName=proxyd-tls" \
    "emptydir --set persistence.enabled=false,networkPolicy.enabled=false" \
    "vaultkey --set secrets.vaultKeySecret=vk,secrets.llmSecret=other" \
    "agent -f etc/examples/secrets/vault-agent.yaml"; do
	n=${v%% *}
	a=${v#"$n"}
	# shellcheck disable=SC2086
	render $a > "$D/$n.yaml" 2>"$D/err"; r=$?
	sed 's/^/# /' "$D/err"
	is $r 0 "helm template, $n"
	conforms "$D/$n.yaml" "every manifest conforms, $n"
done
sed 's/readOnlyRootFilesystem/readOnlyRootFileSystem/' "$D/default.yaml" > "$D/bad.yaml"
conform "$D/bad.yaml" > "$D/out" 2>&1
r=$?; [ $r != 0 ]; ok $? "a misspelt setting is found (the schemas are strict)"

# --- the pod -------------------------------------------------------------------
t=$(cat "$D/default.yaml")
for w in 'secretName: tappass-llm-secrets' 'automountServiceAccountToken: false' \
    'readOnlyRootFilesystem: true' 'allowPrivilegeEscalation: false' \
    'runAsNonRoot: true' 'type: RuntimeDefault' 'drop: \[ALL\]' \
    'path: /health/live' 'path: /health/ready' 'path: /health/startup' \
    'kind: NetworkPolicy' 'except: \[169.254.0.0/16\]'; do
	like "$t" "$w" "the pod: $w"
done
unlike "$t" 'subPath:|name: OPENAI_API_KEY|envFrom|hostPath|hostNetwork|privileged: true' \
    "no provider key in the environment, no subPath, nothing of the host"
like "$(cat "$D/tls.yaml")" 'scheme: HTTPS' "with TLS the probes speak it"
like "$(cat "$D/vaultkey.yaml")" 'secretName: other' "secrets.llmSecret names the volume"
unlike "$(cat "$D/agent.yaml")" 'tappass-llm-secrets' "with an agent there is no Secret"

# --- the gateway takes the configuration ---------------------------------------
perl -e 'local $/; $_ = <STDIN>; for $f ("proxyd.conf", "keybrokerd.conf") {
	/^  \Q$f\E: \|\n((?:    .*\n|\s*\n)*)/m or die; ($t = $1) =~ s/^    //mg;
	open F, ">", "$ARGV[0]/$f"; print F $t }' "$D" < "$D/default.yaml"
"$OUT/sbin/proxyd" -n -c "$D" > "$D/out" 2>&1
is $? 0 "proxyd -n takes what the chart renders"
sed 's/^/# /' "$D/out"
perl -ne 'print if /secrets file/' "$D/agent.yaml" > "$D/sf"
like "$(cat "$D/sf")" 'secrets file "/vault/secrets/llm"' "the agent's file is named"

# --- examples ------------------------------------------------------------------
for f in hashicorp-vault azure-keyvault aws-secrets-manager cyberark-conjur; do
	conforms "etc/examples/secrets/$f.yaml" "$f.yaml"
	is "$(grep -c -E 'secretKey: (OPENAI|ANTHROPIC)_API_KEY' \
	    "etc/examples/secrets/$f.yaml")" 2 "$f.yaml fills both keys"
	like "$(cat "etc/examples/secrets/$f.yaml")" 'name: tappass-llm-secrets' \
	    "$f.yaml fills the Secret that the chart mounts"
done
if python3 -c 'import yaml' 2>/dev/null; then
	for f in etc/examples/secrets/*.y*ml etc/kubernetes/proxyd/*.yaml; do
		python3 -c 'import sys, yaml; list(yaml.safe_load_all(open(sys.argv[1])))' \
		    "$f" 2>"$D/err"
		ok $? "${f##*/} is YAML"
	done
	# The job's own script, with a kubectl that shows what it was given.
	mkdir "$D/bin"
	cat > "$D/bin/kubectl" <<'EOF'
#!/bin/sh
echo "$*" >> "$LOG"
case $* in *from-env-file*) cat /dev/stdin | tee -a "$LOG.in" ;; *) cat > /dev/null ;; esac
EOF
	chmod 755 "$D/bin/kubectl"
	python3 -c 'import sys, yaml
for line in yaml.safe_load(open(sys.argv[1]))["llm-secrets"]["script"]: print(line)' \
	    etc/examples/secrets/gitlab-ci.yml > "$D/job.sh"
	env PATH="$D/bin:$PATH" LOG="$D/kubectl" OPENAI_API_KEY=sk-one \
	    ANTHROPIC_API_KEY=sk-two sh "$D/job.sh" > "$D/out" 2>&1
	is $? 0 "the GitLab job runs"
	like "$(cat "$D/kubectl")" 'create secret generic tappass-llm-secrets -n tappass' \
	    "and writes the Secret"
	is "$(tr '\n' ' ' < "$D/kubectl.in")" \
	    "OPENAI_API_KEY=sk-one ANTHROPIC_API_KEY=sk-two " "from standard input"
	unlike "$(cat "$D/kubectl")" 'sk-(one|two)' "no key on a command line"
else
	diag "SKIPPED parsing of values and the GitLab job: no python3-yaml"
fi
finish
