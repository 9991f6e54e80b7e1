/* SPDX-License-Identifier: ISC */
/*
 * May the vault key still be used?  The KMS is asked for it again, seldom and
 * never because of traffic.  Only the KMS taking it away (twice), or silence
 * beyond `kms stale`, closes the gate; everything else is a warning.  Nobody's
 * health check reaches the KMS or moves a deadline (decisions K15).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/broker/vaultkey.h"

#define RETRY_BASE	(30 * NS_S)
#define RETRY_CAP	(600 * NS_S)
#define REVOKED		2		/* refusals in a row that close */
#define WARN_AGAIN	(3600 * NS_S)

uint64_t
vaultcheck_delay(struct broker *b, uint64_t base, uint32_t tries,
    uint64_t cap)
{
	uint64_t	 d, r;
	uint32_t	 i;

	for (i = 0, d = base; i < tries && d < cap; i++)
		d *= 2;
	if (d > cap)
		d = cap;
	b->env.rng.fill(b->env.rng.arg, &r, sizeof(r));
	return d / 2 + r % (d / 2 + 1);
}

void
vaultcheck_plan(struct broker *b, uint64_t in)
{
	b->vk->what = VKF_NONE;
	b->vk->due = b->kmsconf.uri[0] == '\0' || in == 0 ? NEVER :
	    b->now + in;
}

/* A tenth earlier at most, so that a fleet does not ask at once. */
static void
plan_good(struct broker *b)
{
	uint64_t	 d, r;

	d = b->kmsconf.check * NS_S;
	b->env.rng.fill(b->env.rng.arg, &r, sizeof(r));
	vaultcheck_plan(b, d - r % (d / 10 + 1));
}

static void
plan_bad(struct broker *b)
{
	uint64_t	 base;

	base = b->kmsconf.check * NS_S;
	if (base > RETRY_BASE)
		base = RETRY_BASE;
	vaultcheck_plan(b, vaultcheck_delay(b, base, b->vk->tries++,
	    RETRY_CAP));
	if (b->kmsconf.check == 0)
		b->vk->due = NEVER;
}

void
vaultcheck_begin(struct broker *b, struct outbox *o)
{
	if (b->recover.phase != RC_DONE || b->kmsconf.uri[0] == '\0')
		return;
	b->vk->what = VKF_CHECK;
	vaultkey_ask(b, b->vk->rewrap && b->vk->envelope ? VKT_REWRAP :
	    VKT_GET, o);
}

/* A rotation that came while the KMS was being asked. */
static void
over(struct broker *b, struct outbox *o)
{
	if (!b->vk->rotate_next)
		return;
	b->vk->rotate_next = 0;
	vaultrotate_begin(b, o);
}

static void
close_gate(struct broker *b, const char *why)
{
	if (b->vk->closed)
		return;
	b->vk->closed = 1;
	log_warnx("ALARM: vault key %s: %s: no new call is taken until the KMS "
	    "gives the key again; what is running goes on", b->vk->row.kid,
	    why);
}

static void
good(struct broker *b)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (vk->trouble != KC_OK || vk->closed)
		log_info("vault key %s: the KMS gives it again%s",
		    vk->row.kid, vk->closed ? ", calls are taken" : "");
	vk->trouble = KC_OK;
	vk->text[0] = '\0';
	vk->tries = vk->revoked = 0;
	vk->closed = 0;
	vk->last_ok = b->now;
}

static void
bad(struct broker *b, enum proto_kms_class class, const char *text)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (vk->trouble != class || b->now > vk->warned + WARN_AGAIN) {
		log_warnx("vault key %s: check: %s (%s)", vk->row.kid, text,
		    kmslink_class(class));
		vk->warned = b->now;
	}
	vk->trouble = class;
	strlcpy(vk->text, text, sizeof(vk->text));
	if (class != KC_STATE && class != KC_DENIED)
		return;
	if (++vk->revoked == 1)
		vk->tries = 0;
	if (vk->revoked >= REVOKED)
		close_gate(b, text);
}

/* The copy in force was made by an old version of the KEK: a new one. */
static void
rewrapped(struct broker *b, struct kms_answer *a, struct outbox *o)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (a->class == KC_OK && a->wrappedlen > 0) {
		vk->next = vk->row;
		memcpy(vk->next.wrapped, a->wrapped, a->wrappedlen);
		vk->next.wrappedlen = a->wrappedlen;
		strlcpy(vk->next.version, a->keyid, sizeof(vk->next.version));
		vaultkey_ask(b, VKT_REPROVE, o);
		return;
	}
	log_warnx("vault key %s: it could not be wrapped anew: %s",
	    vk->row.kid, a->text);
	vk->rewrap = 0;
	plan_bad(b);
	over(b, o);
}

static int
is_ours(struct broker *b, const struct kms_answer *a)
{
	struct secret	*dek;

	dek = b->vault.key[0].dek;
	return a->key != NULL && secret_len(a->key) == VAULT_KEY &&
	    secret_equal(secret_bytes(dek), secret_bytes(a->key), VAULT_KEY);
}

void
vaultcheck_answer(struct broker *b, struct kms_answer *a, struct outbox *o)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (vk->step == VKT_REWRAP) {
		rewrapped(b, a, o);
		return;
	}
	if (a->class == KC_OK && !is_ours(b, a)) {
		a->class = KC_INVALID;
		strlcpy(a->text, "the KMS gives another key than the one in "
		    "force", sizeof(a->text));
	}
	if (a->class != KC_OK) {
		bad(b, a->class, a->text);
		plan_bad(b);
	} else {
		good(b);
		if (vk->step == VKT_REPROVE) {
			vk->row = vk->next;
			vaultrow_put(b, &vk->row);
			vk->rewrap = 0;
			vk->made = 1;
			vaultrotate_entry(b, "vault.rewrap", vk->row.kid,
			    "wrapped anew");
		} else
			vk->rewrap |= (a->flags & KR_REWRAP) != 0;
		plan_good(b);
		if (vk->rewrap && vk->envelope)
			vk->due = b->now;
	}
	over(b, o);
}

/* ---- silence ------------------------------------------------------------- */

uint64_t
vaultcheck_ends(const struct broker *b)
{
	if (b->recover.phase != RC_DONE || b->kmsconf.stale == 0 ||
	    b->kmsconf.uri[0] == '\0' || b->vk->closed)
		return NEVER;
	return b->vk->last_ok + b->kmsconf.stale * NS_S;
}

void
vaultcheck_stale(struct broker *b)
{
	char	 why[96];

	if (b->now < vaultcheck_ends(b))
		return;
	snprintf(why, sizeof(why), "the KMS has not given it for %u s (kms "
	    "stale)", b->kmsconf.stale);
	close_gate(b, why);
}

const char *
vaultkey_closed(const struct broker *b)
{
	return b->vk->closed ? "vault key" : NULL;
}

enum proto_kms_class
vaultkey_says(const struct broker *b)
{
	return b->vk->closed && b->vk->trouble == KC_OK ? KC_UNAVAILABLE :
	    b->vk->trouble;
}

void
vaultkey_word(const struct broker *b, char *out, size_t size)
{
	const struct vaultkey	*vk;
	const char		*state;

	vk = b->vk;
	state = vk->closed ? "closed" : vk->what == VKF_START ? "waiting" :
	    vk->trouble != KC_OK ? "degraded" : NULL;
	if (state == NULL)
		strlcpy(out, b->vault_open ? "ok" : "waiting", size);
	else if (vk->trouble == KC_OK)
		strlcpy(out, state, size);
	else
		snprintf(out, size, "%s: %s", state,
		    kmslink_class(vk->trouble));
}

/* ---- status -------------------------------------------------------------- */

struct lines {
	char	*p;
	size_t	 len, size;
};

static void
add(struct lines *, const char *, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct lines *l, const char *fmt, ...)
{
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(l->p + l->len, l->size - l->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n;
	if (l->len >= l->size)
		l->len = l->size - 1;
}

static void
source_lines(const struct broker *b, struct lines *l)
{
	const struct vaultkey	*vk;

	vk = b->vk;
	add(l, "source %s\n", b->kmsconf.uri[0] == '\0' ? "raw (a variable or "
	    "a key file)" : b->kmsconf.uri);
	if (b->kmsconf.uri[0] == '\0')
		return;
	if (vk->row.version[0] != '\0')
		add(l, "version %s\n", vk->row.version);
	if (vk->last_ok != 0)
		add(l, "last good exchange %llu s ago\n",
		    (unsigned long long)((b->now - vk->last_ok) / NS_S));
	add(l, "check every %u s, ", b->kmsconf.check);
	if (b->kmsconf.stale == 0)
		add(l, "stale never\n");
	else
		add(l, "stale after %u s\n", b->kmsconf.stale);
	if (vk->trouble != KC_OK)
		add(l, "last trouble %s: %s\n", kmslink_class(vk->trouble),
		    vk->text);
}

size_t
vaultkey_status(const struct broker *b, char *out, size_t size)
{
	struct lines		 l = { out, 0, size };
	char			 text[KMS_DEK_MAX];
	size_t			 i;

	out[0] = '\0';
	vaultkey_word(b, text, sizeof(text));
	add(&l, "state %s\n", text);
	if (b->vault_open)
		add(&l, "key %s, %zu records\n", vault_kid(&b->vault),
		    vault_records(&b->vault));
	for (i = 1; i < b->vault.nkeys; i++)
		add(&l, "previous key %s\n", vault_kid_at(&b->vault, i));
	sweep_text(b, text, sizeof(text));
	add(&l, "%s", text);
	if (b->vk->what == VKF_ROTATE || b->vk->rotate_next || b->vk->at != 0)
		add(&l, "rotation under way\n");
	source_lines(b, &l);
	if (b->vault_open && vaultrow_text(&b->vk->row, text,
	    sizeof(text)) > 0)
		add(&l, "TAPPASS_VAULT_DEK=%s\n", text);
	return l.len;
}
