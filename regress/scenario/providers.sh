# SPDX-License-Identifier: ISC
# The kinds of providers: what each one gets as path, query and credential.
. regress/scenario/lib.sh
provider_start
U=http://127.0.0.1:$PPORT
OKEY= AKEY=
EXTRA_K="provider azure { dialect openai; url \"$U/openai\"; path deployment
	query \"api-version=2024-10-21\"; auth api-key; key env AZURE_OPENAI_API_KEY }
provider azure-v1 { dialect openai; url \"$U/openai/v1\"; auth api-key
	key env AZURE_OPENAI_API_KEY }
provider google { dialect openai; url \"$U/v1beta/openai\"; path bare
	key env GEMINI_API_KEY }
provider google-key { dialect openai; url \"$U/v1beta/openai\"; path bare
	auth x-goog-api-key; key env GEMINI_API_KEY }
provider bedrock { dialect openai; url \"$U/openai/v1\"; auth sigv4
	region eu-west-1; key env BEDROCK_KEY }
provider ollama { dialect openai; url \"$U/v1\"; key none }
provider vllm { dialect openai; url \"$U/v1\"; key none }
provider lmstudio { dialect openai; url \"$U/v1\"; key none }
provider other { dialect openai; url \"$U/api/compat/v1\"; key env OTHER_KEY }"
AZURE_OPENAI_API_KEY=az-key GEMINI_API_KEY=goog-key OTHER_KEY=other-key
BEDROCK_KEY=AKIDEXAMPLE:secretsecretsecret:token
export AZURE_OPENAI_API_KEY GEMINI_API_KEY OTHER_KEY BEDROCK_KEY
gw_start
# heads PROVIDER: what a listener of ours got, head by head
last() { grep '"event":"request"' "$D/provider.log" | tail -n 1; }
try() {	# PROVIDER PATH AUTH
	chat "$1/gpt-4o-mini" hi > /dev/null
	l=$(last)
	like "$l" "\"path\":\"$2\"" "$1: path and query"
	like "$l" "\"auth\":\"$3" "$1: credential"
}
try azure '/openai/deployments/gpt-4o-mini/chat/completions\?api-version=2024-10-21' az-key
try azure-v1 /openai/v1/chat/completions az-key
try google /v1beta/openai/chat/completions 'Bearer goog-key'
try google-key /v1beta/openai/chat/completions goog-key
try bedrock /openai/v1/chat/completions 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/[0-9]{8}/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}'
for p in ollama vllm lmstudio; do try $p /v1/chat/completions '"'; done
try other /api/compat/v1/chat/completions 'Bearer other-key'
unlike "$(cat "$D/provider.log")" secretsecret "the signing secret never leaves"
is "$(code chat 'azure/..' hi)" 400 "a model name that is no deployment: 400"
gw_stop
like "$(verify "$D/state" 2>&1)" ': intact$' "auditverify: intact"
# What is no configuration.
t() { printf '%s\n' "$1" > "$D/conf/keybrokerd.conf"; "$OUT/sbin/keybrokerd" -n -c "$D/conf" 2>&1; }
like "$(t 'provider a { dialect openai; url "https://h/v1"; auth sigv4; key env K }')" 'go together' "sigv4 wants a region"
like "$(t 'provider a { dialect openai; url "https://h/v1"; query "a b"; key env K }')" 'no plain query' "a query is plain"
like "$(t 'secrets file "relative"')" 'named from /' "a secrets file is named from /"
finish
