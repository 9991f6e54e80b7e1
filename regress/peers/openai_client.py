# SPDX-License-Identifier: ISC
"""The official Python SDK of OpenAI, as its users call it."""
import os
import openai

c = openai.OpenAI(max_retries=2)
M = "gpt-4o-mini"


def check(name, fn):
    try:
        r = fn()
        print(("PASS " if r else "FAIL ") + name + ("" if r else ": wrong result"))
    except Exception as e:  # noqa: BLE001
        print("FAIL %s: %s: %s" % (name, type(e).__name__, str(e)[:200].replace("\n", " ")))


def say(text, **kw):
    return c.chat.completions.create(model=kw.pop("model", M),
        messages=[{"role": "user", "content": text}], **kw)


def raises(exc, fn, text=None):
    try:
        fn()
    except exc as e:
        return text is None or text in str(e)
    return False


def drain(stream):
    return list(stream)


check("chat", lambda: "hello" in say("hello there").choices[0].message.content)
check("usage of a plain call", lambda: say("hello").usage.total_tokens > 0)
check("prefix openai/", lambda: say("hello", model="openai/" + M).choices)


def stream_plain():
    chunks = drain(say("stream me please", stream=True))
    text = "".join(x.choices[0].delta.content or "" for x in chunks)
    return "stream" in text and all(x.usage is None for x in chunks)


def stream_usage():
    chunks = drain(say("count me", stream=True, stream_options={"include_usage": True}))
    return chunks[-1].usage is not None and chunks[-1].choices == []


check("stream: every chunk has choices, no usage", stream_plain)
check("stream: include_usage when asked", stream_usage)


def tool():
    r = say("use tool", tools=[{"type": "function", "function": {
        "name": "weather", "parameters": {"type": "object", "properties": {}}}}])
    return r.choices[0].message.tool_calls[0].function.name == "weather"


check("tool call", tool)
check("embeddings", lambda: len(c.embeddings.create(model="text-embedding-3-small",
    input=["a", "b"]).data) == 2)
check("responses", lambda: "hi" in c.responses.create(model=M, input="hi you").output_text)
check("responses stream", lambda: any(e.type == "response.completed"
    for e in c.responses.create(model=M, input="hi", stream=True)))
check("completions", lambda: c.completions.create(model=M, prompt="once").choices)
check("models.list", lambda: M in [m.id for m in c.models.list()])
check("models.retrieve", lambda: c.models.retrieve(M).id == M)
bad = openai.OpenAI(api_key="tp_dev_" + "a" * 62, max_retries=2)
check("bad key: AuthenticationError", lambda: raises(openai.AuthenticationError,
    lambda: bad.chat.completions.create(model=M, messages=[])))
real = openai.OpenAI(api_key="sk-realkey", max_retries=2)
check("provider key of one's own: says so", lambda: raises(openai.AuthenticationError,
    lambda: real.models.list(), "provider key"))
check("unknown model: NotFoundError naming the known", lambda: raises(
    openai.NotFoundError, lambda: say("x", model="nosuch"), "gpt-*"))
check("upstream 401 is 502", lambda: raises(openai.APIStatusError,
    lambda: say("x", model="mode-status-401")))
check("cut stream raises", lambda: raises((openai.APIError, Exception),
    lambda: drain(say("x", model="mode-cut", stream=True))))
os._exit(0)
