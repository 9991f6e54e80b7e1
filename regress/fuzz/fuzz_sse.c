/* SPDX-License-Identifier: ISC */

/*
 * A stream through usage and sse: numbers, terminator and the bytes passed
 * do not depend on the bursts; what is passed is the input without the
 * withheld events.  First byte: shape, form and withholding; second: burst.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxyd/worker/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct sink {
	uint8_t		*p;
	size_t		 n;
};

static void
on_pass(void *arg, const uint8_t *p, size_t n)
{
	struct sink *k;

	k = arg;
	memcpy(k->p + k->n, p, n);
	k->n += n;
}

static void
run(struct usage *u, struct sink *k, unsigned how, const uint8_t *p,
    size_t n, size_t step)
{
	size_t m, pos;

	k->n = 0;
	usage_init(u, how % 6, how / 6 % 2 ? USAGE_JSON : USAGE_SSE,
	    how / 12 % 2, on_pass, k);
	for (pos = 0; pos < n; pos += m) {
		m = n - pos < step ? n - pos : step;
		if (usage_feed(u, p + pos, m) == -1)
			abort();
		usage_between(u);
	}
	usage_end(u);
	usage_free(u);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct usage_count ca, cb;
	struct usage a, b;
	struct sink ka, kb;

	if (size < 3)
		return 0;
	ka.p = malloc(size);
	kb.p = malloc(size);
	if (ka.p == NULL || kb.p == NULL)
		abort();
	run(&a, &ka, data[0], data + 2, size - 2, size);
	run(&b, &kb, data[0], data + 2, size - 2, data[1] % 11 + 1U);
	usage_count(&a, size, &ca);
	usage_count(&b, size, &cb);
	if (ka.n != kb.n || memcmp(ka.p, kb.p, ka.n) != 0 ||
	    a.terminated != b.terminated || a.error != b.error ||
	    a.malformed != b.malformed || a.withheld != b.withheld ||
	    a.events != b.events || strcmp(a.error_type, b.error_type) != 0)
		abort();
	if (ca.grade != cb.grade || ca.in != cb.in || ca.out != cb.out ||
	    ca.in_cached != cb.in_cached || ca.in_stored != cb.in_stored ||
	    ca.out_hidden != cb.out_hidden)
		abort();
	if (a.withheld == 0 && (ka.n != size - 2 ||
	    memcmp(ka.p, data + 2, ka.n) != 0))
		abort();
	free(ka.p);
	free(kb.p);
	return 0;
}
