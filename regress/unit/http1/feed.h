/* SPDX-License-Identifier: ISC */

/*
 * Feeds a head to the parser in pieces, each time from an allocation of
 * exactly the bytes that have arrived, so that the sanitizer sees a byte read
 * too far.  For tests only.
 */

#ifndef REGRESS_UNIT_HTTP1_FEED_H
#define REGRESS_UNIT_HTTP1_FEED_H

#include <stdlib.h>
#include <string.h>

#include "common/http/http1.h"

enum feed_side { FEED_REQUEST, FEED_RESPONSE, FEED_RESPONSE_HEAD };

/* One call with the first `len` bytes. */
static inline int
feed_once(const char *p, size_t len, enum feed_side side, struct http1_head *h)
{
	uint8_t	*copy;
	int	 v;

	copy = malloc(len + (len == 0));
	if (copy == NULL)
		abort();
	memcpy(copy, p, len);
	if (side == FEED_REQUEST)
		v = http1_request(copy, len, &http1_request_limits, h);
	else
		v = http1_response(copy, len, &http1_response_limits, h,
		    side == FEED_RESPONSE_HEAD);
	free(copy);
	return v;
}

/* `step` bytes more with each call, from `from` on. */
static inline int
feed(const char *p, size_t len, size_t from, size_t step, enum feed_side side,
    struct http1_head *h)
{
	size_t	 at;
	int	 v;

	http1_init(h);
	for (at = from;; at = len - at < step ? len : at + step) {
		v = feed_once(p, at, side, h);
		if (v != HTTP1_MORE || at == len)
			return v;
	}
}

#endif /* REGRESS_UNIT_HTTP1_FEED_H */
