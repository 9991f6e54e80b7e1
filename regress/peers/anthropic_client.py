# SPDX-License-Identifier: ISC
"""The official Python SDK of Anthropic, as its users call it."""
import os
import anthropic

c = anthropic.Anthropic(max_retries=2)
M = "claude-haiku-4-5"


def check(name, fn):
    try:
        r = fn()
        print(("PASS " if r else "FAIL ") + name + ("" if r else ": wrong result"))
    except Exception as e:  # noqa: BLE001
        print("FAIL %s: %s: %s" % (name, type(e).__name__, str(e)[:200].replace("\n", " ")))


def say(text, **kw):
    return c.messages.create(model=kw.pop("model", M), max_tokens=64,
        messages=[{"role": "user", "content": text}], **kw)


def raises(exc, fn, text=None):
    try:
        fn()
    except exc as e:
        return text is None or text in str(e)
    return False


def stream(model=M):
    with c.messages.stream(model=model, max_tokens=64,
            messages=[{"role": "user", "content": "stream me"}]) as s:
        text = "".join(s.text_stream)
        return text, s.get_final_message()


def tool():
    r = say("use tool", tools=[{"name": "weather", "input_schema": {"type": "object"}}])
    return r.stop_reason == "tool_use" and any(b.type == "tool_use" for b in r.content)


check("messages", lambda: "hello" in say("hello there").content[0].text)
check("prefix anthropic/", lambda: say("hello", model="anthropic/" + M).content)
check("stream", lambda: "stream" in stream()[0] and stream()[1].usage.output_tokens > 0)
check("tool use", tool)
check("count_tokens", lambda: c.messages.count_tokens(model=M,
    messages=[{"role": "user", "content": "x"}]).input_tokens > 0)
check("beta", lambda: c.beta.messages.create(model=M, max_tokens=8, betas=["a-b-2025-01-01"],
    messages=[{"role": "user", "content": "x"}]).content)
check("models.list", lambda: M in [m.id for m in c.models.list()])
bad = anthropic.Anthropic(api_key="tp_dev_" + "a" * 62, max_retries=2)
check("bad key: AuthenticationError", lambda: raises(anthropic.AuthenticationError,
    lambda: bad.messages.create(model=M, max_tokens=1, messages=[])))
check("unknown model: NotFoundError", lambda: raises(anthropic.NotFoundError,
    lambda: say("x", model="nosuch")))
check("wrong dialect names the route", lambda: raises(anthropic.NotFoundError,
    lambda: say("x", model="gpt-4o-mini"), "/v1/chat/completions"))
check("cut stream raises", lambda: raises(Exception, lambda: stream("anthropic/mode-cut")))
os._exit(0)
