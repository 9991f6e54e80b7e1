/* SPDX-License-Identifier: ISC */
/*
 * Routes that need no key (decisions M13).  Answered from READY; nobody is
 * asked, nothing of a request is used.
 */
#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

static const char nokey[] = "no provider has a key: set OPENAI_API_KEY or "
    "ANTHROPIC_API_KEY in proxyd's environment, or name a file with -e";

/* RESULT's class, as /health/ready tells it; the text is not for strangers. */
static const char *const kms_names[KC_MAX] = {
	[KC_OK] = "ok", [KC_STATE] = "state", [KC_DENIED] = "denied",
	[KC_AUTH] = "auth", [KC_THROTTLED] = "throttled",
	[KC_UNAVAILABLE] = "unavailable", [KC_INVALID] = "invalid",
	[KC_CONFIG] = "config", [KC_PROTOCOL] = "protocol",
};

static const char *
word(int ok)
{
	return ok ? "ok" : "down";
}

static int
any_provider(const struct worker *w)
{
	size_t	 i;

	for (i = 0; i < w->nprov; i++)
		if (w->prov[i] == PROV_UP)
			return 1;
	return 0;
}

/* Returns the status. */
static uint16_t
readiness(const struct worker *w, struct wbuf *b)
{
	int	 broker, ok, providers;

	broker = w->ready && w->gate && w->policy != NULL;
	providers = any_provider(w);
	ok = broker && w->ledger && w->dial && providers;
	wbuf_fmt(b, "{\"status\":\"%s\",\"checks\":{\"ledger\":\"%s\","
	    "\"broker\":\"%s\",\"dial\":\"%s\",\"providers\":\"%s\"",
	    !ok ? "unavailable" : w->ledger == 2 ? "degraded" : "ok",
	    w->ready && w->ledger == 2 ? "damaged" :
	    word(w->ready && w->ledger),
	    word(broker), word(w->ready && w->dial),
	    word(w->ready && providers));
	if (w->kms != KC_OK)
		wbuf_fmt(b, ",\"vault_key\":\"%s\"", kms_names[w->kms]);
	wbuf_str(b, "}");
	if (w->kms != KC_OK && !broker)
		wbuf_str(b, ",\"detail\":\"waits for the KMS that has the "
		    "vault key; proxyctl status says why\"");
	else if (w->ready && !providers)
		wbuf_fmt(b, ",\"detail\":\"%s\"", nokey);
	wbuf_str(b, "}\n");
	return ok ? 200 : 503;
}

/* which: enum route_open. */
void
health_answer(struct conn *c, uint16_t which)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct reply_meta m;
	uint16_t	 status;

	status = 200;
	switch (which) {
	case RO_HEALTH:
		wbuf_str(&b, "{\"status\":\"healthy\",\"version\":\""
		    WORKER_VERSION "\",\"storage\":\"sqlite\"}\n");
		break;
	case RO_READY:
		status = readiness(c->worker, &b);
		break;
	case RO_STARTUP:
		status = c->worker->everready ? 200 : 503;
		wbuf_fmt(&b, "{\"status\":\"%s\"}\n",
		    status == 200 ? "ok" : "starting");
		break;
	default:
		wbuf_str(&b, "{\"status\":\"ok\"}\n");
		break;
	}
	conn_meta(c, &m);
	reply_json(&c->out, &m, status, wbuf_bytes(&b), b.len);
	wbuf_free(&b);
	conn_next(c);
}
