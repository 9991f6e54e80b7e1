# SPDX-License-Identifier: ISC
"""A stream cut by a revocation: the official Python SDKs raise, and never hand
over a short answer as if it were whole.  An uncut stream ends normally."""
import json
import os
import urllib.request

import anthropic
import openai

ADMIN = os.environ["CUT_ADMIN"]
BASE = os.environ["ANTHROPIC_BASE_URL"]
LONG, SHORT = "mode-drip-600-20", "mode-drip-40-5"
said = []    # what a Responses stream said of its failure
KEYS = BASE + "/agents/default/developer-keys"


def ask(method, url, body=None):
    r = urllib.request.Request(url, method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + ADMIN, "Content-Type": "application/json"})
    with urllib.request.urlopen(r, timeout=20) as f:
        return json.loads(f.read() or b"{}")


def chat(key, model):
    c = openai.OpenAI(api_key=key, max_retries=2)
    with c.chat.completions.create(model=model, stream=True,
            messages=[{"role": "user", "content": "x"}]) as s:
        for x in s:
            yield x.choices[0].delta.content or "" if x.choices else ""


def responses(key, model):
    c = openai.OpenAI(api_key=key, max_retries=2)
    with c.responses.create(model=model, input="x", stream=True) as s:
        for e in s:
            if e.type == "response.failed":
                said.append(e.response.error.message)
            yield e.delta if e.type == "response.output_text.delta" else ""


def raw(key, model):
    c = anthropic.Anthropic(api_key=key, max_retries=2)
    with c.messages.create(model="anthropic/" + model, max_tokens=64, stream=True,
            messages=[{"role": "user", "content": "x"}]) as s:
        for e in s:
            yield e.delta.text if e.type == "content_block_delta" else ""


def helper(key, model):
    c = anthropic.Anthropic(api_key=key, max_retries=2)
    with c.messages.stream(model="anthropic/" + model, max_tokens=64,
            messages=[{"role": "user", "content": "x"}]) as s:
        yield from s.text_stream
        s.get_final_message()


def run(name, kind, fn):
    made = ask("POST", KEYS, {"developer_email": "cut@example.com", "expires_days": 1})
    got = 0
    try:
        for t in fn(made["api_key"], SHORT):
            got += len(t)
        print("%s %s: an uncut stream ends normally" % ("PASS" if got == 160 else "FAIL", name))
    except Exception as e:  # noqa: BLE001
        print("FAIL %s: uncut: %s: %s" % (name, type(e).__name__, str(e)[:200]))
    got, cut = 0, False
    try:
        for t in fn(made["api_key"], LONG):
            got += len(t)
            if got >= 40 and not cut:
                cut = True
                ask("DELETE", KEYS + "/" + made["key_id"])
        print("FAIL %s: a cut stream passed for an answer of %d" % (name, got))
    except kind as e:
        good = cut and 40 <= got < 2400 and "revoked" in str(e) + "".join(said)
        print("%s %s: a stream cut by a revocation raises %s" % ("PASS" if good else "FAIL",
            name, type(e).__name__))
        print("%d of 2400: %s" % (got, str(e)[:160].replace("\n", " ")))
    except Exception as e:  # noqa: BLE001
        print("FAIL %s: cut: %s: %s" % (name, type(e).__name__, str(e)[:200]))


run("chat.completions", openai.APIError, chat)
run("responses", openai.APIError, responses)
run("messages.create", anthropic.APIError, raw)
run("messages.stream", anthropic.APIError, helper)
os._exit(0)
