/* SPDX-License-Identifier: ISC */
/*
 * A .env file of any bytes, fed in two ways: the outcome is the same, a line
 * that is read stays inside itself, and no error tells a value.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keybrokerd/broker/credential.h"
#include "keybrokerd/broker/envfile.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
one_line(const uint8_t *data, size_t len)
{
	struct envfile_line	 l;
	char			*copy;

	copy = malloc(len == 0 ? 1 : len);
	if (copy == NULL)
		return;
	memcpy(copy, data, len);
	if (envfile_parse(copy, len, CREDENTIAL_NAME, &l) == NULL &&
	    l.name != NULL && (l.namelen == 0 ||
	    l.namelen >= CREDENTIAL_NAME || l.name < copy ||
	    l.value < l.name + l.namelen + 1 ||
	    l.value + l.len > copy + len))
		abort();
	free(copy);
}

static int
whole(struct creds *c, const uint8_t *data, size_t len, size_t piece,
    char *err)
{
	size_t	 i;

	if (credential_file_begin(c, "f") == -1)
		abort();
	for (i = 0; i < len; i += piece)
		credential_file_feed(c, data + i,
		    len - i < piece ? len - i : piece);
	return credential_file_end(c, err, CREDENTIAL_ERR);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int	 pool;
	char		 a[CREDENTIAL_ERR], b[CREDENTIAL_ERR];
	const uint8_t	*p;
	struct creds	*c, *d;
	size_t		 n;
	int		 ra, rb;

	if (!pool++ && secret_pool(128) == -1)
		abort();
	one_line(data, len);
	c = credential_new();
	d = credential_new();
	if (c == NULL || d == NULL)
		abort();
	ra = whole(c, data, len, len == 0 ? 1 : len, a);
	rb = whole(d, data, len, 3, b);
	if (ra != rb || strcmp(a, b) != 0)
		abort();
	if (credential_find(c, "A", &p, &n) == CRED_OK &&
	    (n == 0 || n > CREDENTIAL_MAX))
		abort();
	credential_free(c);
	credential_free(d);
	if (secret_in_use() != 0)
		abort();
	return 0;
}
