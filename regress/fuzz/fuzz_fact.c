/* SPDX-License-Identifier: ISC */

/*
 * Facts do not depend on the pieces, and a body that was accepted and edited
 * is accepted again and says what we meant.  First byte: piece size.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxyd/worker/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
facts(struct fact *f, const uint8_t *p, size_t n, size_t step)
{
	size_t k, pos;

	fact_init(f, FACT_CHAT);
	for (pos = 0; pos < n; pos += k) {
		k = n - pos < step ? n - pos : step;
		if (fact_feed(f, p + pos, k) == -1)
			return -1;
	}
	return fact_end(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct edit e;
	struct edit_iter it;
	struct edit_piece piece;
	struct fact a, b;
	uint8_t *out;
	size_t len;
	int asked, rv;

	if (size == 0)
		return 0;
	rv = facts(&a, data + 1, size - 1, size);
	if (facts(&b, data + 1, size - 1, data[0] % 13 + 1) != rv)
		abort();
	if (rv == -1) {
		if (strcmp(a.error, b.error) != 0)
			abort();
		return 0;
	}
	if (memcmp(&a.model_span, &b.model_span, sizeof(a.model_span)) != 0 ||
	    memcmp(&a.object, &b.object, sizeof(a.object)) != 0 ||
	    strcmp(a.model, b.model) != 0 || a.stream != b.stream ||
	    a.options != b.options || a.include_usage != b.include_usage)
		abort();
	edit_init(&e);
	if (edit_model(&e, &a, a.modellen / 2) == -1)
		abort();
	asked = edit_usage(&e, &a);
	if (asked == -1)
		abort();
	out = malloc(size + EDIT_TEXT);
	if (out == NULL)
		abort();
	len = 0;
	edit_begin(&it, &e, size - 1);
	while (edit_next(&it, &piece)) {
		memcpy(out + len, piece.text != NULL ?
		    (const uint8_t *)piece.text : data + 1 + piece.off,
		    piece.len);
		len += piece.len;
	}
	if (len != edit_size(&e, size - 1) || facts(&b, out, len, len) == -1 ||
	    strcmp(b.model, a.model + a.modellen / 2) != 0 ||
	    b.stream != a.stream ||
	    (a.stream && b.include_usage != FACT_TRUE))
		abort();
	free(out);
	return 0;
}
