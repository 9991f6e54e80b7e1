/* SPDX-License-Identifier: ISC */

/*
 * The rule that binds a body to its record: the last TAIL_HOLD bytes leave
 * only when digest and length of the whole body are those of RELEASE.  The
 * worker chose the bytes, the broker the digest.  Must never allow a byte that
 * would complete another request than the recorded one.
 */

#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/egress/egress.h"

void
tail_init(struct tail *t)
{
	memset(t, 0, sizeof(*t));
	t->length = UINT64_MAX;
	sha256_init(&t->sha);
}

void
tail_add(struct tail *t, const void *p, size_t n)
{
	if (t->ended)
		fatalx("tail: bytes after the end");
	sha256_update(&t->sha, p, n);
	t->seen += n;
}

void
tail_end(struct tail *t)
{
	t->ended = 1;
}

void
tail_bind(struct tail *t, uint64_t length, const uint8_t *digest)
{
	t->length = length;
	memcpy(t->want, digest, sizeof(t->want));
}

int
tail_check(struct tail *t)
{
	struct sha256	 copy;
	uint8_t		 have[SHA256_LEN];

	if (t->ok)
		return 1;
	if (t->length == UINT64_MAX)
		return 0;
	if (t->seen > t->length)
		return -1;
	if (!t->ended)
		return 0;
	if (t->seen != t->length)
		return -1;
	copy = t->sha;
	sha256_final(&copy, have);
	if (!secret_equal(have, t->want, sizeof(have)))
		return -1;
	t->ok = 1;
	return 1;
}

uint64_t
tail_may(const struct tail *t)
{
	uint64_t	 top;

	if (t->length == UINT64_MAX)
		return 0;
	top = t->length;
	if (!t->ok)
		top = top > TAIL_HOLD ? top - TAIL_HOLD : 0;
	if (top > t->seen)
		top = t->seen;
	return top > t->passed ? top - t->passed : 0;
}

void
tail_pass(struct tail *t, uint64_t n)
{
	if (n > tail_may(t))
		fatalx("tail: bytes that may not leave");
	t->passed += n;
}

int
tail_final(const struct tail *t, uint64_t n)
{
	return t->length != UINT64_MAX && t->passed + n >= t->length;
}

void
tail_rewind(struct tail *t)
{
	t->passed = 0;
}
