/* SPDX-License-Identifier: ISC */

/*
 * An answer's head gets the same verdict and the same struct whole, byte by
 * byte and in steps.  First byte: step, its lowest bit the answer to HEAD.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/field.h"
#include "common/http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
parse(const uint8_t *p, size_t n, size_t step, bool head,
    struct http1_head *h)
{
	size_t	 at;
	int	 v;

	http1_init(h);
	for (at = 0;; at = n - at < step ? n : at + step) {
		v = http1_response(p, at, &http1_response_limits, h, head);
		if (v != HTTP1_MORE || at == n)
			return v;
	}
}

static void
check(const uint8_t *p, const struct http1_head *h, bool head)
{
	const struct http1_field	*f;
	const char			*as;
	uint32_t			 i;

	if (h->status < 100 || h->status > 599 || h->status == 101 ||
	    h->phrase_off + h->phrase_len > h->head_len)
		abort();
	if ((head || h->status < 200 || h->status == 204 ||
	    h->status == 304) && h->body != HTTP1_BODY_NONE)
		abort();
	if (h->body == HTTP1_BODY_CLOSE && h->keep_alive)
		abort();
	for (i = 0; i < h->nfields; i++) {
		f = &h->fields[i];
		if (f->value_off + f->value_len > h->head_len ||
		    !field_is_value(p + f->value_off, f->value_len))
			abort();
		as = NULL;
		if (field_answer(p + f->name_off, f->name_len,
		    p + f->value_off, f->value_len, &as) == FIELD_KEEP &&
		    as == NULL)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_head	 a, b;
	size_t				 step;
	bool				 head;
	int				 v;

	if (size < 1)
		return 0;
	step = (size_t)data[0] + 1;
	head = data[0] & 1;
	data++;
	size--;
	v = parse(data, size, size + 1, head, &a);
	if (parse(data, size, 1, head, &b) != v ||
	    memcmp(&a, &b, sizeof(a)) != 0)
		abort();
	if (parse(data, size, step, head, &b) != v ||
	    memcmp(&a, &b, sizeof(a)) != 0)
		abort();
	if (v == HTTP1_REJECT && a.reject.status != 502)
		abort();
	if (v == HTTP1_DONE)
		check(data, &a, head);
	return 0;
}
