/* SPDX-License-Identifier: ISC */
/*
 * What admin_secret.c calls of the rest of the broker and admin.c's test does
 * not reach: setting, testing and deleting secrets is tested with the whole
 * gateway, in regress/scenario/secrets.sh and attempt.sh.
 */
#include <stddef.h>

#include "keybrokerd/broker/admin.h"
#include "keybrokerd/broker/vaultkey.h"

struct peer *
broker_peer(struct broker *b, const struct broker_from *from)
{
	(void)b;
	(void)from;
	return NULL;
}

void
batch_delete(struct broker *b, uint8_t kind, const void *id, size_t len)
{
	(void)b;
	(void)kind;
	(void)id;
	(void)len;
}

void
batch_then_call(struct broker *b, const struct call *c)
{
	(void)b;
	(void)c;
}

void
audit_intent(struct broker *b, struct call *c, const struct decision *d)
{
	(void)b;
	(void)c;
	(void)d;
}

struct call *
table_new(struct broker *b, uint16_t worker, uint64_t no)
{
	(void)b;
	(void)worker;
	(void)no;
	return NULL;
}

void
table_free(struct broker *b, struct call *c)
{
	(void)b;
	(void)c;
}

void
table_link(struct broker *b, struct call *c, uint32_t link)
{
	(void)b;
	(void)c;
	(void)link;
}

void
fair_deadline(struct broker *b, struct call *c, uint64_t at)
{
	(void)b;
	(void)c;
	(void)at;
}

uint8_t
peers_ref(struct broker *b)
{
	(void)b;
	return 0;
}

void
parent_changed(struct broker *b, const char *source, struct outbox *o)
{
	(void)b;
	(void)source;
	(void)o;
}

int
deny_may(struct broker *b, const char *key, uint32_t org)
{
	(void)b;
	(void)key;
	(void)org;
	return 1;
}

void
meter_admin(struct broker *b, uint16_t type, uint16_t status)
{
	(void)b;
	(void)type;
	(void)status;
}

size_t
meter_text(struct broker *b, size_t i, char *buf, size_t size)
{
	(void)b;
	(void)i;
	(void)buf;
	(void)size;
	return 0;
}

void
peers_lost(struct broker *b, const struct broker_from *from,
    struct outbox *o)
{
	(void)o;
	b->workers[from->index].p.up = 0;
}

void
batch_room(struct broker *b)
{
	(void)b;
}

void
vaultrotate_asked(struct admin_ask *a)
{
	(void)a;
}

size_t
vaultkey_status(const struct broker *b, char *out, size_t size)
{
	(void)b;
	(void)size;
	out[0] = '\0';
	return 0;
}

/* Stored values are tested with the whole broker, in regress/unit/sweep. */
int
cold_ask(struct broker *b, const struct cold_ask *a)
{
	(void)b;
	(void)a;
	return -1;
}

int
cold_row(const uint8_t *page, size_t len, size_t *at, struct cold_row *r)
{
	(void)page;
	(void)len;
	(void)at;
	(void)r;
	return 0;
}

int
cold_store(struct broker *b, const char *name, struct secret *plain)
{
	(void)b;
	(void)name;
	(void)plain;
	return -1;
}

void
cold_forget(struct broker *b, const char *name)
{
	(void)b;
	(void)name;
}

enum vault_result
cold_open(struct broker *b, const char *name, const void *text, size_t len,
    struct secret **out)
{
	(void)b;
	(void)name;
	(void)text;
	(void)len;
	*out = NULL;
	return VAULT_FORM;
}

void
sweep_text(const struct broker *b, char *out, size_t size)
{
	(void)b;
	(void)size;
	out[0] = '\0';
}

void
audit_session(struct broker *b, uint32_t org, const char *id,
    uint8_t out[AUDIT_SESSION])
{
	(void)b;
	(void)org;
	(void)id;
	out[0] = 0;
}
