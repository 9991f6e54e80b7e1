/* SPDX-License-Identifier: ISC */

/*
 * Hides echoes of the credential in a provider's answer.  The matcher is that
 * of Knuth, Morris and Pratt: what is held back between two pieces is always a
 * prefix of the credential, so no copy of it is kept.  Must never pass a whole
 * credential, wherever the answer was split, nor change any other byte.
 */

#include <stdlib.h>
#include <string.h>

#include "keybrokerd/egress/egress.h"

int
mask_key_set(struct mask_key *k, struct secret *s)
{
	const uint8_t	*p;
	size_t		 i, j;

	memset(k, 0, sizeof(*k));
	if (s == NULL || secret_len(s) == 0) {
		k->secret = s;
		return 0;
	}
	k->len = secret_len(s);
	k->border = calloc(k->len, sizeof(*k->border));
	if (k->border == NULL)
		return -1;
	k->secret = s;
	p = secret_bytes(s);
	for (i = 1, j = 0; i < k->len; i++) {
		while (j > 0 && p[i] != p[j])
			j = k->border[j - 1];
		if (p[i] == p[j])
			j++;
		k->border[i] = (uint16_t)j;
	}
	return 0;
}

void
mask_key_wipe(struct mask_key *k)
{
	if (k->border != NULL)
		secret_wipe(k->border, k->len * sizeof(*k->border));
	free(k->border);
	secret_free(&k->secret);
	memset(k, 0, sizeof(*k));
}

void
mask_init(struct mask *m, const struct mask_key *k)
{
	memset(m, 0, sizeof(*m));
	m->key = k;
}

/* Nothing is held: copies up to the next possible beginning. */
static size_t
skip(const uint8_t *in, size_t n, uint8_t first, uint8_t *out)
{
	const uint8_t	*hit;

	hit = memchr(in, first, n);
	if (hit != NULL)
		n = (size_t)(hit - in);
	memcpy(out, in, n);
	return n;
}

size_t
mask_feed(struct mask *m, const uint8_t *in, size_t n, uint8_t *out)
{
	const uint8_t	*key;
	size_t		 i, w, shorter;

	if (m->key->len == 0) {
		memcpy(out, in, n);
		return n;
	}
	key = secret_bytes(m->key->secret);
	for (i = w = 0; i < n;) {
		if (m->held == 0) {
			shorter = skip(in + i, n - i, key[0], out + w);
			i += shorter;
			w += shorter;
			if (i == n)
				break;
		}
		if (in[i] == key[m->held]) {
			i++;
			if (++m->held < m->key->len)
				continue;
			memset(out + w, '*', m->held);
			w += m->held;
			m->held = 0;
			m->count++;
			continue;
		}
		/* held > 0: what cannot begin an echo any more goes out. */
		shorter = m->key->border[m->held - 1];
		memcpy(out + w, key, m->held - shorter);
		w += m->held - shorter;
		m->held = shorter;
	}
	return w;
}

size_t
mask_end(struct mask *m, uint8_t *out)
{
	size_t	 n;

	n = m->held;
	if (n > 0)
		memcpy(out, secret_bytes(m->key->secret), n);
	m->held = 0;
	return n;
}
