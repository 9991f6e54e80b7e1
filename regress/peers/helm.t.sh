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
    "agent -f etc/examples/secrets/vault-agent.yaml" \
    "aws_kms -f etc/examples/kms/aws_kms.yaml" \
    "gcp_kms -f etc/examples/kms/gcp_kms.yaml" \
    "azure_kv -f etc/examples/kms/azure_kv.yaml" \
    "azure_kv_wrap -f etc/examples/kms/azure_kv_wrap.yaml" \
    "vault -f etc/examples/kms/vault.yaml" \
    "vault_transit -f etc/examples/kms/vault_transit.yaml"; do
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

# --- the vault key from each kind of KMS ----------------------------------------
# The container's variables, NAME=value.
variables() {
	perl -0777 -ne 'while (/- name: (\w+)\n\s+value: "?([^"\n]*)"?\n/g) { print "$1=$2\n" }' "$1"
}
mkdir "$D/kms"
cp "$D/proxyd.conf" "$D/kms"
sed "s,\"/var/lib/proxyd/,\"$D/kms/,; s,\"/etc/proxyd/,\"$D/kms/,; s,\"/run/proxyd/,\"$D/kms/," \
    "$D/keybrokerd.conf" > "$D/kms/keybrokerd.conf"
for n in aws_kms gcp_kms azure_kv azure_kv_wrap vault vault_transit; do
	variables "$D/$n.yaml" > "$D/vars"
	uri=$(sed -n 's/^TAPPASS_VAULT_KEY_KMS=//p' "$D/vars")
	like "$uri" "^$n://[^/]" "$n: the URI reaches the container"
	unlike "$(cat "$D/$n.yaml")" 'name: TAPPASS_VAULT_KEY$' "$n: and no key beside it"
	# The gateway itself reads that URI and these variables: no word against them.
	# shellcheck disable=SC2046
	env -i PATH="$PATH" HOME="$D" $(cat "$D/vars") timeout 60 "$OUT/sbin/keybrokerd" init \
	    -c "$D/kms" -s "$D/$n.state" > "$D/$n.init" 2>&1 & init_pid=$!
	for _ in $(seq 600); do
		grep -q 'vault key' "$D/$n.init" && break
		kill -0 $init_pid 2>/dev/null || break
		sleep 0.1
	done
	kill $init_pid 2>/dev/null; wait $init_pid 2>/dev/null
	like "$(cat "$D/$n.init")" "vault key from $uri" "$n: the gateway takes it"
done
for n in vault vault_transit; do
	for p in /etc/proxyd/vault-token /etc/proxyd/vault-ca; do
		like "$(cat "$D/$n.yaml")" "mountPath: $p\$" "$n: $p is mounted"
	done
	like "$(cat "$D/$n.yaml")" 'port: 8200' "$n: its port is let out"
done
like "$(cat "$D/aws_kms.yaml")" 'eks.amazonaws.com/role-arn: arn:aws:iam' "aws_kms: the account's role"
like "$(cat "$D/azure_kv.yaml")" 'azure.workload.identity/use: "true"' "azure_kv: the pod's label"
like "$(cat "$D/gcp_kms.yaml")" 'cidr: 169.254.169.254/32' "gcp_kms: the metadata address is let out"
for n in aws_kms azure_kv vault default; do
	unlike "$(cat "$D/$n.yaml")" 'cidr: 169.254' "$n: and here it is not"
done
render --set secrets.vaultKeySecret=vk,secrets.vaultKeyKMS=vault://secret/data/x > "$D/out" 2>&1
r=$?; [ $r != 0 ]; ok $? "two places for the vault key: not rendered"
like "$(cat "$D/out")" 'in one place' "which says why"

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
# --- the pod's process, with the pod's volumes -----------------------------------
# Below $D/pod instead of /; as the chart's user, without a capability; the
# Secret volume as the kubelet writes it: files behind ..data, mode 0440.
volume() {
	v=$D/pod/etc/proxyd/secrets
	mkdir -p "$v/..$1"
	printf %s "$2" > "$v/..$1/OPENAI_API_KEY"
	chown -R 0:65532 "$v"; chmod 750 "$v/..$1"; chmod 440 "$v/..$1/OPENAI_API_KEY"
	ln -s "..$1" "$v/..data_tmp" && mv -T "$v/..data_tmp" "$v/..data"
	[ -L "$v/OPENAI_API_KEY" ] || ln -s ..data/OPENAI_API_KEY "$v/OPENAI_API_KEY"
}
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1 &&
    setpriv --reuid=65532 --regid=65532 --clear-groups \
    test -x "$OUT/libexec/proxyd/worker"; then
	provider_start
	PORT=$(free_port)
	B=http://127.0.0.1:$PORT
	mkdir -p "$D/pod/etc/proxyd/conf" "$D/pod/var/lib/proxyd" "$D/pod/run/proxyd"
	chmod 711 "$D"
	for f in proxyd.conf keybrokerd.conf; do
		sed -e "s,\"/\(etc\|var\|run\)/,\"$D/pod/\1/,; s/port 9620/port $PORT/" \
		    -e "s/0\.0\.0\.0/127.0.0.1/; s/ insecure\$//" \
		    -e "s,https://api.openai.com,http://127.0.0.1:$PPORT," \
		    "$D/$f" > "$D/pod/etc/proxyd/conf/$f"
	done
	chmod 644 "$D"/pod/etc/proxyd/conf/*
	chown 0:65532 "$D/pod/var/lib/proxyd"; chmod 2775 "$D/pod/var/lib/proxyd"
	chown 0:65532 "$D/pod/run/proxyd"; chmod 2777 "$D/pod/run/proxyd"
	one=sk-test-$(random_word) two=sk-test-$(random_word)
	volume 2026_01 "$one"
	pod="setpriv --reuid=65532 --regid=65532 --clear-groups --bounding-set=-all
	    --inh-caps=-all --no-new-privs"
	PROXYD_CONTROL=$D/pod/run/proxyd/ctl.sock
	export PROXYD_CONTROL
	# shellcheck disable=SC2086
	$pod "$OUT/sbin/proxyd" -d -c "$D/pod/etc/proxyd/conf" \
	    -s "$D/pod/var/lib/proxyd/state" > "$D/log" 2>&1 &
	gw_pid=$!
	gw_wait; ok $? "the pod's process starts"
	for h in live ready startup; do
		is "$(code curl -s "$B/health/$h")" 200 "probe $h"
	done
	# shellcheck disable=SC2086
	K=$($pod "$OUT/sbin/proxyctl" -j key create --agent default --email a@b |
	    sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
	like "$(chat gpt-4o-mini hello)" '"content"' "a call is answered"
	like "$(cat "$D/provider.log")" "$one" "with the key of the volume"
	volume 2026_02 "$two"
	sleep 2
	chat gpt-4o-mini hello > /dev/null
	like "$(tail -n 2 "$D/provider.log")" "$two" \
	    "the kubelet's change is in use: no rollout"
	gw_stop
	is "$gw_status" 0 "it ends well"
else
	diag "SKIPPED the pod's process: needs root to become its user, and a" \
	    "checkout that others may enter"
fi
finish
