/* SPDX-License-Identifier: ISC */

/*
 * A chunked body decodes to the same bytes, verdict and counters whole, byte
 * by byte and in steps.  First byte: step, its lowest bit the side.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http1.h"

#define LIMIT	4096

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct outcome {
	enum chunk_verdict	 verdict;
	size_t			 consumed;
	size_t			 n;
	uint8_t			 data[LIMIT];
};

static void
decode(const uint8_t *p, size_t size, size_t step, enum chunk_side side,
    struct chunk *c, struct outcome *o)
{
	const uint8_t	*data;
	size_t		 end, used, n;

	memset(o, 0, sizeof(*o));
	chunk_init(c, side, side == CHUNK_REQUEST ? 8 : 16, LIMIT);
	for (end = 0;; end = size - end < step ? size : end + step) {
		do {
			o->verdict = chunk_read(c, p + o->consumed,
			    end - o->consumed, &used, &data, &n);
			if (used > end - o->consumed || n > LIMIT - o->n ||
			    (n > 0) != (o->verdict == CHUNK_DATA))
				abort();
			o->consumed += used;
			if (n > 0)
				memcpy(o->data + o->n, data, n);
			o->n += n;
		} while (o->verdict == CHUNK_DATA);
		if (o->verdict != CHUNK_MORE || end == size)
			return;
		if (o->consumed != end)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome	 a, b;
	struct chunk		 c, d;
	enum chunk_side		 side;
	size_t			 step;

	if (size < 1)
		return 0;
	step = (size_t)data[0] + 1;
	side = data[0] & 1 ? CHUNK_RESPONSE : CHUNK_REQUEST;
	data++;
	size--;
	decode(data, size, size + 1, side, &c, &a);
	decode(data, size, 1, side, &d, &b);
	if (memcmp(&a, &b, sizeof(a)) != 0 || memcmp(&c, &d, sizeof(c)) != 0)
		abort();
	decode(data, size, step, side, &d, &b);
	if (memcmp(&a, &b, sizeof(a)) != 0 || memcmp(&c, &d, sizeof(c)) != 0)
		abort();
	if (c.data != a.n || c.ext > CHUNK_EXT_MAX + 1 ||
	    (a.verdict == CHUNK_END && a.consumed != c.data + c.framing))
		abort();
	return 0;
}
