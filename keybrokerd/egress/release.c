/* SPDX-License-Identifier: ISC */

/*
 * The two halves of a call as they come in: RELEASE of the broker, which is
 * believed, and OPEN of a worker, of which every value is checked again.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keybrokerd/egress/egress.h"

/* One {name, value} of OPEN: a field that may pass, once. */
static int
offer_field(struct offer *o, struct msgr *r)
{
	const uint8_t	*name, *value;
	size_t		 nlen, vlen;
	int		 which;

	name = msg_get_strv(r, 64, &nlen);
	value = msg_get_strv(r, FIELD_VALUE_MAX, &vlen);
	if (name == NULL || value == NULL)
		return -1;
	which = field_pass(name, nlen);
	if (which == -1 || o->pass[which].set ||
	    !field_pass_ok((unsigned int)which, value, vlen))
		return -1;
	o->pass[which].set = 1;
	o->pass[which].len = (uint16_t)vlen;
	o->pass[which].value = value;
	return 0;
}

struct offer *
offer_new(const uint8_t *p, size_t len)
{
	struct offer	*o;
	struct msgr	 r;
	unsigned int	 n;
	int		 bad;

	o = calloc(1, sizeof(*o) + len);
	if (o == NULL)
		return NULL;
	memcpy(o->raw, p, len);
	msg_read(&r, M_NONE, o->raw, len);
	o->no = msg_get_u64(&r);
	o->length = msg_get_u64(&r);
	n = msg_get_u8(&r);
	for (bad = n > FIELD_NPASS; !bad && n > 0; n--)
		bad = offer_field(o, &r) == -1;
	if (bad || msg_end(&r) == -1 || o->no == 0) {
		free(o);
		errno = EBADMSG;
		return NULL;
	}
	return o;
}

int
release_read(struct msgr *r, struct release *out)
{
	memset(out, 0, sizeof(*out));
	out->link = msg_get_u32(r);
	out->no = msg_get_u64(r);
	msg_get_raw(r, out->id, sizeof(out->id));
	out->provider = msg_get_u16(r);
	out->scheme = msg_get_u8(r);
	msg_get_str(r, out->host, sizeof(out->host));
	out->port = msg_get_u16(r);
	msg_get_str(r, out->method, sizeof(out->method));
	msg_get_str(r, out->path, sizeof(out->path));
	msg_get_str(r, out->query, sizeof(out->query));
	msg_get_str(r, out->type, sizeof(out->type));
	out->length = msg_get_u64(r);
	msg_get_raw(r, out->digest, sizeof(out->digest));
	out->flags = msg_get_u32(r);
	out->dialect = msg_get_u8(r);
	out->auth = msg_get_u8(r);
	out->cred = msg_get_blob(r, CREDENTIAL_MAX, &out->credlen);
	out->limit = msg_get_u64(r);
	out->deadline = msg_get_u64(r);
	out->first = msg_get_u64(r);
	out->between = msg_get_u64(r);
	if (msg_end(r) == -1 || out->no == 0 || out->length > BODY_MAX)
		return -1;
	return 0;
}
