/* SPDX-License-Identifier: ISC */
/*
 * Rows that carry authority (keys, agents) are kept by the ledger, which must
 * not be able to raise a role or lengthen a life by editing one: each ends in a
 * tag under a vault record that the ledger cannot read.  What this does not
 * show is an older row, or a whole older database, put back in its place.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/text/hmac.h"
#include "keybrokerd/broker/broker.h"

int
rowmac_covers(uint8_t kind)
{
	return kind == ST_KEY || kind == ST_AGENT;
}

/* HMAC-SHA256, cut, over the kind, the length of the id, the id, the value. */
void
rowmac_tag(struct broker *b, uint8_t kind, const void *id, size_t idlen,
    const void *val, size_t len, uint8_t out[ROWMAC])
{
	struct hmac	 h;
	struct secret	*key;
	uint8_t		 head[2], full[32];

	key = vault_get(&b->vault, VAULT_ROWMAC);
	if (key == NULL)
		fatalx("vault record %s is missing: rows of keys cannot be "
		    "checked", VAULT_ROWMAC);
	head[0] = kind;
	head[1] = (uint8_t)idlen;
	hmac_init(&h, secret_bytes(key), secret_len(key));
	hmac_update(&h, head, sizeof(head));
	hmac_update(&h, id, idlen);
	hmac_update(&h, val, len);
	hmac_final(&h, full);
	memcpy(out, full, ROWMAC);
}

/* The length of the value before its tag, or -1: it is not one of ours. */
ssize_t
rowmac_check(struct broker *b, uint8_t kind, const void *id, size_t idlen,
    const uint8_t *val, size_t len)
{
	uint8_t	 tag[ROWMAC];

	if (len < ROWMAC)
		return -1;
	rowmac_tag(b, kind, id, idlen, val, len - ROWMAC, tag);
	if (!secret_equal(tag, val + len - ROWMAC, ROWMAC))
		return -1;
	return (ssize_t)(len - ROWMAC);
}
