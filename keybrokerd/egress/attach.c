/* SPDX-License-Identifier: ISC */

/*
 * How a credential is attached to a request: one row a kind.  The bytes come
 * from the broker and go into a secret; nothing here keeps them.
 */

#include <errno.h>
#include <string.h>

#include "common/http/field.h"
#include "keybrokerd/egress/egress.h"

static const char	*const lines[] = {
	[AUTH_NONE] = "",
	[AUTH_BEARER] = "authorization: Bearer ",
	[AUTH_XAPIKEY] = "x-api-key: ",
};

long
attach_put(int auth, const uint8_t *cred, size_t len, uint8_t *out)
{
	size_t	 n;

	if (auth < AUTH_NONE || auth > AUTH_XAPIKEY) {
		errno = EINVAL;
		return -1;
	}
	n = strlen(lines[auth]);
	if (n > 0) {
		if (len == 0 || !field_is_value(cred, len)) {
			errno = EINVAL;
			return -1;
		}
		memcpy(out, lines[auth], n);
		memcpy(out + n, cred, len);
		n += len;
		memcpy(out + n, "\r\n", 2);
		n += 2;
	}
	memcpy(out + n, "\r\n", 2);
	return (long)(n + 2);
}
