# SPDX-License-Identifier: ISC
# Both dialects, plain and streaming; what is inserted is withheld again.
. regress/scenario/lib.sh
gw_start
post() {	# PATH JSON [CURL ARGS]
	p=$1 j=$2; shift 2
	curl -sN --max-time 60 "$B$p" -H "Authorization: Bearer $K" \
	    -H 'Content-Type: application/json' -d "$j" "$@"
}
U='"messages":[{"role":"user","content":"hello"}]'
like "$(post /v1/chat/completions "{\"model\":\"gpt-4o-mini\",$U}")" '"chat.completion"' "chat"
out=$(post /v1/chat/completions "{\"model\":\"gpt-4o-mini\",\"stream\":true,$U}")
like "$out" '^data: \[DONE\]' "chat stream ends with [DONE]"
unlike "$out" '"choices": *\[\]' "the usage chunk that nobody asked for is withheld"
like "$(grep request "$D/provider.log" | tail -n 1)" 'include_usage' "although the provider was asked for it"
out=$(post /v1/chat/completions "{\"model\":\"gpt-4o-mini\",\"stream\":true,\"stream_options\":{\"include_usage\":true},$U}")
like "$out" '"choices": *\[\]' "and passed on where the client asked"
like "$(post /v1/completions '{"model":"gpt-4o-mini","prompt":"once"}')" 'text_completion' "completions"
like "$(post /v1/embeddings '{"model":"text-embedding-3-small","input":"a"}')" '"embedding"' "embeddings"
like "$(post /v1/responses '{"model":"gpt-4o-mini","input":"hi"}')" '"object": *"response"' "responses"
like "$(post /v1/responses '{"model":"gpt-4o-mini","input":"hi","stream":true}')" 'response.completed' "responses stream"
like "$(post /v1/messages "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":9,$U}")" '"type": *"message"' "messages"
like "$(post /v1/messages?beta=true "{\"model\":\"claude-haiku-4-5\",\"stream\":true,\"max_tokens\":9,$U}")" 'message_stop' "messages stream, with ?beta=true"
like "$(grep request "$D/provider.log" | tail -n 1)" 'beta=true' "the typed query reaches the provider"
like "$(post '/v1/messages?beta=true&x=1' "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":9,$U}" -i)" '^HTTP/1.1 200' "an unknown query name is dropped"
unlike "$(grep request "$D/provider.log" | tail -n 1)" 'x=1' "and not sent on"
like "$(post /v1/messages/count_tokens "{\"model\":\"claude-haiku-4-5\",$U}")" 'input_tokens' "count_tokens"
like "$(post /v1/chat/completions "{\"model\":\"openai/gpt-4o-mini\",$U}")" 'chat.completion' "prefix openai/"
like "$(grep request "$D/provider.log" | tail -n 1)" '\\"model\\":\\"gpt-4o-mini\\"|"model": *"gpt-4o-mini"' "and it is taken off"
out=$(curl -s "$B/v1/models" -H "Authorization: Bearer $K")
like "$out" '"id": *"gpt-4o-mini"' "models: a concrete name"
like "$out" '"has_more": *false' "with the fields of the other dialect"
unlike "$out" 'gpt-\*' "and no pattern"
like "$(curl -s "$B/v1/models?limit=1" -H "Authorization: Bearer $K")" '"has_more": *true' "limit"
like "$(curl -s "$B/v1/models/gpt-4o-mini" -H "x-api-key: $K")" '"id": *"gpt-4o-mini"' "one model"
is "$(code curl -s "$B/v1/models/nosuch" -H "x-api-key: $K")" 404 "one model that is not there"
out=$(post /v1/chat/completions "{\"model\":\"nosuch\",$U}" -i)
like "$out" '^HTTP/1.1 404' "unknown model is 404"
like "$out" 'gpt-\*' "naming the known"
like "$out" '^[Xx]-[Ss]hould-[Rr]etry: false' "not to be retried"
like "$(post /v1/messages "{\"model\":\"gpt-4o-mini\",\"max_tokens\":9,$U}")" '/v1/chat/completions' "wrong dialect names the route"
for r in / /health /health/live /health/ready /health/startup; do
	is "$(code curl -s "$B$r")" 200 "GET $r without a key"
done
is "$(curl -sI "$B/" -o /dev/null -w '%{http_code}')" 200 "HEAD /"
like "$(curl -s "$B/health")" '"version": *"1\.' "/health has a version"
like "$(curl -s "$B/health/ready")" '"ledger": *"ok"' "/health/ready has its checks"
head=$(post /v1/chat/completions "{\"model\":\"gpt-4o-mini\",$U}" -D - -o /dev/null)
unlike "$head" '^([Ss]et-[Cc]ookie|[Xx]-[Rr]ate)' "no cookie, no rate limit of the shared key"
gw_stop
like "$(verify "$D/state" | tail -n 1)" 'orphans=0 open=0 .*intact$' "the log is whole"
finish
