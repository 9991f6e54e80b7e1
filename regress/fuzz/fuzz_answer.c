/* SPDX-License-Identifier: ISC */

/*
 * A provider's answer: read at once and in pieces that the input chooses, the
 * same must come of it, and never a whole credential.  First byte: sizes of the
 * pieces; second: flags.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keybrokerd/egress/egress.h"

#define LIMIT	4096
#define KEY	"sk-aab-sk-aac"

struct result {
	enum answer_event	 end;
	int			 status;
	uint8_t			*body;
	size_t			 len;
	uint8_t			 frame[LINK_CTRL];
	size_t			 framelen;
};

static struct mask_key	 key;

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
on_head(struct answer *a, struct result *r)
{
	char		 id[129];
	uint32_t	 echoes;

	if (r->status != 0)
		abort();
	r->status = a->head.status;
	echoes = 0;
	r->framelen = answer_payload(a, 1, &key, r->frame, &echoes);
	if (r->framelen > LINK_CTRL ||
	    memmem(r->frame, r->framelen, KEY, sizeof(KEY) - 1) != NULL)
		abort();
	answer_id(a, &key, id, sizeof(id));
}

static void
run(const uint8_t *in, size_t n, size_t step, int ishead, struct result *r)
{
	struct answer	 a;
	struct mask	 m;
	const uint8_t	*data;
	size_t		 at, part, used, len;

	memset(r, 0, sizeof(*r));
	r->body = malloc(n + sizeof(KEY));
	answer_init(&a, ishead, LIMIT);
	mask_init(&m, &key);
	r->end = ANSWER_MORE;
	for (at = 0; at < n && r->end == ANSWER_MORE;) {
		part = n - at < step ? n - at : step;
		do {
			data = NULL;
			r->end = answer_read(&a, in + at, part, &used, &data,
			    &len);
			if (used > part)
				abort();
			if (r->end == ANSWER_HEAD)
				on_head(&a, r);
			if (r->end == ANSWER_DATA) {
				if (data != in + at + used - len &&
				    (data < in + at || data + len > in + at +
				    used))
					abort();
				r->len += mask_feed(&m, data, len,
				    r->body + r->len);
			}
			at += used;
			part -= used;
		} while (r->end == ANSWER_HEAD || r->end == ANSWER_DATA ||
		    (r->end == ANSWER_MORE && part > 0));
	}
	if (r->end == ANSWER_MORE)
		r->end = answer_eof(&a);
	r->len += mask_end(&m, r->body + r->len);
	if (r->len > n || r->len > LIMIT ||
	    memmem(r->body, r->len, KEY, sizeof(KEY) - 1) != NULL)
		abort();
	answer_wipe(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	static struct result	 whole, pieces;

	if (n < 2)
		return 0;
	if (key.secret == NULL && (secret_pool(2) == -1 ||
	    mask_key_set(&key, secret_dup(KEY, sizeof(KEY) - 1)) == -1))
		abort();
	run(in + 2, n - 2, n, in[1] & 1, &whole);
	run(in + 2, n - 2, 1 + in[0] % 64u, in[1] & 1, &pieces);
	if (whole.end != pieces.end || whole.status != pieces.status ||
	    whole.framelen != pieces.framelen ||
	    memcmp(whole.frame, pieces.frame, whole.framelen) != 0)
		abort();
	/* A limit is seen earlier in one large piece. */
	if (whole.end != ANSWER_LARGE && whole.end != ANSWER_BAD &&
	    (whole.len != pieces.len ||
	    memcmp(whole.body, pieces.body, whole.len) != 0))
		abort();
	free(whole.body);
	free(pieces.body);
	return 0;
}
