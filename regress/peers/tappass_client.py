# SPDX-License-Identifier: ISC
# The described product's own SDK, unchanged: Agent.chat, Agent.stream, a
# refusal that raises PolicyBlockError, registration.  Prints PASS and FAIL.
import os
import sys

import tappass
from tappass import Agent

bad = 0


def check(name, fn):
    global bad
    try:
        why = fn()
    except Exception as e:                       # the report names it
        why = "%s: %s" % (type(e).__name__, e)
    if why is None:
        print("PASS " + name)
    else:
        bad += 1
        print("FAIL %s: %s" % (name, why))


url, key = os.environ["TP_URL"], os.environ["TP_KEY"]


def chat():
    r = Agent(url, key, model="gpt-4o-mini").chat("say w%s" % os.getpid())
    return None if r.content else "no content: %r" % r


def stream():
    n = 0
    for chunk in Agent(url, key, model="gpt-4o-mini").stream("say it"):
        n += 1
    return None if n > 1 else "%d chunks" % n


def refused():
    try:
        Agent(url, os.environ["TP_SCOPED"], model="gpt-3.5-turbo").chat("no")
    except tappass.PolicyBlockError as e:
        return None if "key_scope" in repr(vars(e)) + str(e) else repr(vars(e))
    return "no exception"


def revoked():
    try:
        Agent(url, os.environ["TP_REVOKED"], model="gpt-4o-mini").chat("no")
    except tappass.PolicyBlockError:
        return "PolicyBlockError for a revoked key"
    except Exception:
        return None
    return "no exception"


def register():
    from tappass.admin import TapPass
    c = TapPass(url, os.environ["TP_ADMIN"])
    r = c.register_agent("from-sdk", framework="sdk")
    if not r["api_key"].startswith("tp_"):
        return repr(r)
    a = c.agent("from-sdk")
    if a.agent_id != "from-sdk":
        return repr(a)
    names = [p["name"] for p in c.list_providers()]
    return None if "openai" in names else repr(names)


check("Agent.chat", chat)
check("Agent.stream", stream)
check("a call outside the scope raises PolicyBlockError", refused)
check("a revoked key raises", revoked)
check("register_agent, agent, list_providers", register)
sys.exit(1 if bad else 0)
