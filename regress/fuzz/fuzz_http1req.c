/* SPDX-License-Identifier: ISC */

/*
 * A request's head gets the same verdict and the same struct whole, byte by
 * byte and in steps; offsets stay inside; a head that was accepted is accepted
 * again after its names were lower-cased.  First byte: step.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/field.h"
#include "common/http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
parse(const uint8_t *p, size_t n, size_t step, struct http1_head *h)
{
	size_t	 at;
	int	 v;

	http1_init(h);
	for (at = 0;; at = n - at < step ? n : at + step) {
		v = http1_request(p, at, &http1_request_limits, h);
		if (v != HTTP1_MORE || at == n)
			return v;
	}
}

static void
check(const uint8_t *p, const struct http1_head *h)
{
	const struct http1_field	*f;
	uint32_t			 i;

	if (h->chunked && h->content_length != -1)
		abort();
	if (h->head_len > HTTP1_HEAD_MAX || p[h->target_off] != '/' ||
	    memcmp(p + h->head_len - 4, "\r\n\r\n", 4) != 0)
		abort();
	for (i = 0; i < h->nfields; i++) {
		f = &h->fields[i];
		if (f->name_off + f->name_len > h->head_len ||
		    f->value_off + f->value_len > h->head_len ||
		    !field_is_token(p + f->name_off, f->name_len) ||
		    !field_is_value(p + f->value_off, f->value_len))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_head	 a, b;
	uint8_t				*copy;
	size_t				 step;
	int				 v;

	if (size < 1)
		return 0;
	step = (size_t)data[0] + 1;
	data++;
	size--;
	v = parse(data, size, size + 1, &a);
	if (parse(data, size, 1, &b) != v || memcmp(&a, &b, sizeof(a)) != 0)
		abort();
	if (parse(data, size, step, &b) != v || memcmp(&a, &b, sizeof(a)) != 0)
		abort();
	if ((v == HTTP1_REJECT) != (a.reject.status != 0))
		abort();
	if (v != HTTP1_DONE)
		return 0;
	check(data, &a);
	copy = malloc(size);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	http1_lower(&a, copy);
	if (parse(copy, size, size, &b) != v || memcmp(&a, &b, sizeof(a)) != 0)
		abort();
	free(copy);
	return 0;
}
