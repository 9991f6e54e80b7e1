/* SPDX-License-Identifier: ISC */
/*
 * Counts of answers and the text of GET /metrics (product.md 6.8).  What is
 * counted is what reached the broker: an answer that a worker gives alone
 * (health, a key with a typing error) is not.  Labels come from fixed tables,
 * never from a client.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/broker.h"
#include "keybrokerd/broker/role.h"

#define ADMIN_FROM	0x0200		/* message types begin here */
#define ACTIVE_MS	(24 * 3600 * 1000ULL)

static void
count(struct broker *b, uint16_t what, uint16_t status)
{
	struct meter_row	*r;
	size_t			 i, h;

	if (status == 0)
		return;
	h = (what * 31u + status) % METER_ROWS;
	for (i = 0; i < METER_ROWS; i++) {
		r = &b->meter[(h + i) % METER_ROWS];
		if (r->status != 0 && (r->what != what ||
		    r->status != status))
			continue;
		r->what = what;
		r->status = status;
		r->n++;
		return;
	}
	b->meter_lost++;
}

void
meter_call(struct broker *b, const struct call *c, uint16_t status)
{
	if (c->ask.route < ADMIN_FROM)
		count(b, c->ask.route, status);
}

void
meter_admin(struct broker *b, uint16_t type, uint16_t status)
{
	count(b, type, status);
}

/* ---- the text ---------------------------------------------------------- */
struct text {
	char	*p;
	size_t	 len, size;
};

static void	add(struct text *, const char *, ...)
		    __attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *fmt, ...)
{
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < t->size - t->len)
		t->len += (size_t)n;
	t->p[t->len] = '\0';
}

/* Method and path of a row; 0: it has none (the control socket's). */
static int
labels(struct broker *b, uint16_t what, const char **method,
    const char **path)
{
	struct policy_route	 route;
	const struct role_row	*r;

	if (what >= ADMIN_FROM) {
		r = role_find(what);
		*method = r == NULL ? "" : r->method;
		*path = r == NULL ? "" : r->path;
		return **method != '\0';
	}
	*method = "?";
	*path = "?";
	if (b->policy != -1 && what != 0 && policy_route_id(
	    b->policies[b->policy], what, &route) == 0) {
		*method = route.kind == KIND_LIST ? "GET" : "POST";
		*path = route.path;
	}
	return 1;
}

/* Rows from 64 * piece on. */
static void
requests(struct broker *b, struct text *t, size_t piece)
{
	const struct meter_row	*r;
	const char		*method, *path;
	size_t			 i;

	if (piece == 0)
		add(t, "# HELP tappass_http_requests_total Answers to requests "
		    "that reached the broker.\n"
		    "# TYPE tappass_http_requests_total counter\n");
	for (i = 64 * piece; i < 64 * (piece + 1); i++) {
		r = &b->meter[i];
		if (r->status != 0 && labels(b, r->what, &method, &path))
			add(t, "tappass_http_requests_total{method=\"%s\","
			    "path=\"%s\",status=\"%u\"} %llu\n", method, path,
			    r->status, (unsigned long long)r->n);
	}
}

static void
gauge(struct text *t, const char *name, const char *type, const char *help,
    uint64_t v)
{
	add(t, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type,
	    name, (unsigned long long)v);
}

static uint64_t
active(const struct broker *b)
{
	const struct agent	*ag;
	uint64_t		 n;
	size_t			 at;

	n = 0;
	for (at = 0; (ag = key_agent_next(b->keys, &at)) != NULL;)
		n += ag->used != 0 && ag->used + ACTIVE_MS > b->wall;
	return n;
}

/* Names of the described product; there are no detectors yet, nor tokens. */
static void
product(struct broker *b, struct text *t)
{
	gauge(t, "tappass_pipeline_blocks_total", "counter",
	    "Calls refused by policy or scope.", b->blocks);
	add(t, "# HELP tappass_pii_detections_total Detections by type; "
	    "nothing is scanned yet.\n"
	    "# TYPE tappass_pii_detections_total counter\n");
	add(t, "# HELP tappass_capability_tokens_total Capability tokens; "
	    "none are minted.\n"
	    "# TYPE tappass_capability_tokens_total counter\n");
	gauge(t, "tappass_active_agents", "gauge",
	    "Agents with a request in the last 24 hours of this life.",
	    active(b));
}

static void
ours(struct broker *b, struct text *t)
{
	gauge(t, "proxyd_gate_open", "gauge", "Calls can be recorded.",
	    gate_open(b) != 0);
	gauge(t, "proxyd_calls_open", "gauge", "Calls in all states.", b->live);
	gauge(t, "proxyd_log_entries", "counter", "Durable entries of the log.",
	    b->batch.committed);
	gauge(t, "proxyd_log_damaged", "gauge",
	    "The exported log is not what was signed: an alarm.",
	    b->gate.damaged);
	gauge(t, "proxyd_log_verified_entries", "gauge",
	    "Exported entries that the last verification covered.",
	    trail_verified(b));
	gauge(t, "proxyd_log_waiting_bytes", "gauge",
	    "Bytes that wait for the ledger.", batch_waiting(b));
	gauge(t, "proxyd_keys_live", "gauge",
	    "Keys that are neither expired nor revoked.",
	    key_live(b->keys, b->wall));
	gauge(t, "proxyd_agents", "gauge", "Agents, deleted ones included.",
	    key_agents(b->keys));
	gauge(t, "proxyd_strangers_total", "counter",
	    "Requests of nobody we know.", b->count.strangers);
	gauge(t, "proxyd_meter_lost_total", "counter",
	    "Answers that found no row to be counted in.", b->meter_lost);
}

size_t
meter_text(struct broker *b, size_t i, char *buf, size_t size)
{
	struct text	 t = { buf, 0, size };

	buf[0] = '\0';
	if (i < METER_ROWS / 64)
		requests(b, &t, i);
	else if (i == METER_ROWS / 64)
		product(b, &t);
	else if (i == METER_ROWS / 64 + 1)
		ours(b, &t);
	else
		return 0;
	/* An empty piece is not the end. */
	if (t.len == 0)
		add(&t, "\n");
	return t.len;
}
