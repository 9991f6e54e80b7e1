/* SPDX-License-Identifier: ISC */
/*
 * Clients send several keys at once, one of them ours and another perhaps a
 * developer's real provider key (clients.md 3.2).  Ours is the one that begins
 * with tp_; the other is neither kept nor repeated anywhere.  Only the form is
 * judged here, the broker knows who holds a token.
 */
#include <string.h>

#include "common/compat/compat.h"
#include "common/token/token.h"
#include "proxyd/worker/worker.h"

struct value {
	const uint8_t	*p;
	size_t		 n;
};

static const char *const texts[] = {
	[BEARER_OK] = "",
	[BEARER_UNSHAPED] = "",
	[BEARER_NONE] = "No API key was sent: put a tp_ key into "
	    "Authorization: Bearer or x-api-key.",
	[BEARER_TWO] = "Two different tp_ keys were sent: send one.",
	[BEARER_PROVIDER] = "This is a provider key, not a tp_ key; check "
	    "OPENAI_API_KEY/ANTHROPIC_API_KEY.",
	[BEARER_FOREIGN] = "This is not a tp_ key; check OPENAI_API_KEY/"
	    "ANTHROPIC_API_KEY.",
	[BEARER_BAD] = "This tp_ key is damaged: its checksum is wrong; copy "
	    "it again.",
};

/* One sentence for the client, never with the key in it. */
const char *
bearer_text(enum bearer b)
{
	return texts[b];
}

static int
begins(struct value v, const char *prefix)
{
	size_t	 n;

	n = strlen(prefix);
	return v.n >= n && memcmp(v.p, prefix, n) == 0;
}

/* What follows the scheme "Bearer", in any case; RFC 6750 2.1. */
static struct value
credential(struct value v)
{
	struct value	 none = { NULL, 0 };

	if (v.n < 7 || !field_equal(v.p, 6, "bearer") || v.p[6] != ' ')
		return none;
	while (v.n > 0 && v.p[0] != ' ') {
		v.p++;
		v.n--;
	}
	while (v.n > 0 && v.p[0] == ' ') {
		v.p++;
		v.n--;
	}
	return v;
}

/* One candidate more: -1 if a different tp_ value was there already. */
static int
consider(struct value v, struct value *ours, struct value *other)
{
	if (v.n == 0)
		return 0;
	if (!begins(v, "tp_")) {
		if (other->n == 0 || begins(v, "sk-"))
			*other = v;
		return 0;
	}
	if (ours->n > 0 && (ours->n != v.n || memcmp(ours->p, v.p, v.n) != 0))
		return -1;
	*ours = v;
	return 0;
}

/*
 * The key of this request into token, which is empty unless BEARER_OK or
 * BEARER_UNSHAPED is returned.
 */
enum bearer
bearer_pick(const struct http1_head *h, const uint8_t *buf,
    char token[TOKEN_MAX + 1])
{
	static const char *const names[] = { "authorization", "x-api-key" };
	const struct http1_field *f;
	struct value	 ours = { NULL, 0 }, other = { NULL, 0 }, v;
	enum token_shape shape;
	size_t		 i;

	token[0] = '\0';
	for (i = 0; i < 2; i++) {
		f = http1_find(h, buf, names[i]);
		for (; f != NULL; f = http1_find_next(h, buf, f, names[i])) {
			v.p = buf + f->value_off;
			v.n = f->value_len;
			if (i == 0)
				v = credential(v);
			if (consider(v, &ours, &other) == -1)
				return BEARER_TWO;
		}
	}
	if (ours.n == 0) {
		if (other.n == 0)
			return BEARER_NONE;
		return begins(other, "sk-") ? BEARER_PROVIDER : BEARER_FOREIGN;
	}
	shape = token_check((const char *)ours.p, ours.n);
	if ((shape != TOKEN_OK && shape != TOKEN_UNSHAPED) ||
	    ours.n > TOKEN_MAX)
		return BEARER_BAD;
	memcpy(token, ours.p, ours.n);
	token[ours.n] = '\0';
	return shape == TOKEN_OK ? BEARER_OK : BEARER_UNSHAPED;
}
