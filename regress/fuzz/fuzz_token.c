/* SPDX-License-Identifier: ISC */
/*
 * token_check over any bytes: what it takes for our form has a public id, and
 * the first half of the input as randomness makes a token that it takes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/token/token.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char			 id[TOKEN_ID + 1], t[TOKEN_SIZE];
	char			*copy;
	uint8_t			 random[TOKEN_RANDOM];
	enum token_shape	 shape;
	int			 n, dev;

	copy = malloc(len + 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, len);
	shape = token_check(copy, len);
	if ((token_public_id(copy, len, id, &dev) == 0) != (shape == TOKEN_OK))
		abort();
	if (shape == TOKEN_OK && strncmp(id, copy + (dev ? 7 : 3),
	    TOKEN_ID) != 0)
		abort();
	free(copy);
	memset(random, 0, sizeof(random));
	memcpy(random, data, len < sizeof(random) ? len : sizeof(random));
	n = token_make(random, (int)(len & 1), t);
	if (n != -1 && (token_check(t, (size_t)n) != TOKEN_OK ||
	    token_check(t, (size_t)n - 1) == TOKEN_OK))
		abort();
	return 0;
}
