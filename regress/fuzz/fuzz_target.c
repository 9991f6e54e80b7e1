/* SPDX-License-Identifier: ISC */

/*
 * A target that is accepted has a path without escapes, empty or dot segments;
 * what is written for the provider reads back as the same values and never
 * contains a byte of the client's choice.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define N	6

static const struct target_query	 names[N] = {
	{ "beta", TARGET_TRUE },
	{ "limit", TARGET_UINT },
	{ "timeout_seconds", TARGET_FLOAT },
	{ "after_id", TARGET_ID },
	{ "before_id", TARGET_ID },
	{ "b", TARGET_TRUE },
};

static void
check_path(const uint8_t *p, uint32_t n)
{
	uint32_t	 i;

	if (n == 0 || p[0] != '/')
		abort();
	for (i = 0; i < n; i++) {
		if (p[i] <= ' ' || p[i] > '~' || strchr("%?#\\", p[i]) != NULL)
			abort();
		if (i > 0 && p[i] == '/' && p[i - 1] == '/')
			abort();
		if (p[i] != '/' || n - i < 2 || p[i + 1] != '.')
			continue;
		if (n - i == 2 || p[i + 2] == '/')
			abort();
		if (p[i + 2] == '.' && (n - i == 3 || p[i + 3] == '/'))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target_value	 v[N], w[N];
	struct target		 g, back;
	char			 out[64] = "/?";
	uint32_t		 off, len;
	int			 n, i;

	if (target_split(data, size, &g) == -1) {
		if (g.reason == NULL)
			abort();
		return 0;
	}
	check_path(data, g.path_len);
	if (target_match(data, &g, "/v1/models/{id}", &off, &len) &&
	    (len == 0 || off + len != g.path_len ||
	    memchr(data + off, '/', len) != NULL))
		abort();
	if (target_match(data, &g, "/v1/models/{rest}", &off, &len) &&
	    off + len != g.path_len)
		abort();
	if (target_read(data, &g, names, N, v) == -1)
		return 0;
	n = target_write(names, N, v, out + 2, sizeof(out) - 2);
	if (n == -1 ||
	    target_split((uint8_t *)out, (size_t)n + 2, &back) == -1 ||
	    target_read((uint8_t *)out, &back, names, N, w) == -1)
		abort();
	for (i = 0; i < N; i++)
		if (w[i].set != (v[i].set && names[i].cls == TARGET_TRUE))
			abort();
	return 0;
}
