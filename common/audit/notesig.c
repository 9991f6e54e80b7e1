/* SPDX-License-Identifier: ISC */
/*
 * Signatures of checkpoints (C2SP signed-note, type 0x01 Ed25519).  The
 * secret key is the caller's, in guarded memory; it is only read.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/audit/note.h"
#include "common/text/sha256.h"
#include "common/text/text.h"

#define DASH	"\xe2\x80\x94 "

int
note_key_ok(const uint8_t pk[NOTE_PK])
{
	return crypto_core_ed25519_is_valid_point(pk) == 1;
}

void
note_keyid(const char *name, size_t namelen, const uint8_t pk[NOTE_PK],
    uint8_t out[NOTE_KEYID])
{
	static const uint8_t	 type[] = { '\n', 0x01 };
	struct sha256		 h;
	uint8_t			 d[SHA256_LEN];

	sha256_init(&h);
	sha256_update(&h, name, namelen);
	sha256_update(&h, type, sizeof(type));
	sha256_update(&h, pk, NOTE_PK);
	sha256_final(&h, d);
	memcpy(out, d, NOTE_KEYID);
}

ssize_t
note_sign(char *buf, size_t size, size_t len, size_t bodylen,
    const char *origin, const uint8_t sk[NOTE_SK])
{
	uint8_t	 raw[NOTE_KEYID + NOTE_SIG];
	char	 b64[B64_SIZE(NOTE_KEYID + NOTE_SIG)];
	size_t	 olen, need;

	olen = strlen(origin);
	if (!note_origin_ok(origin, olen) || bodylen > len || len > size) {
		errno = EINVAL;
		return -1;
	}
	need = (len == bodylen) + 4 + olen + 1 + sizeof(b64) - 1 + 1;
	if (size - len < need) {
		errno = ENOSPC;
		return -1;
	}
	/* libsodium keeps the public key behind the seed */
	note_keyid(origin, olen, sk + 32, raw);
	if (crypto_sign_detached(raw + NOTE_KEYID, NULL,
	    (const uint8_t *)buf, bodylen, sk) != 0 ||
	    b64_encode(b64, sizeof(b64), raw, sizeof(raw), B64_STD) == -1) {
		errno = EINVAL;
		return -1;
	}
	if (len == bodylen)
		buf[len++] = '\n';
	memcpy(buf + len, DASH, 4);
	len += 4;
	memcpy(buf + len, origin, olen);
	len += olen;
	buf[len++] = ' ';
	memcpy(buf + len, b64, sizeof(b64) - 1);
	len += sizeof(b64) - 1;
	buf[len++] = '\n';
	return (ssize_t)len;
}

static int
good(const struct note *n, const struct note_sig *s,
    const uint8_t pk[NOTE_PK])
{
	uint8_t	 raw[NOTE_KEYID + NOTE_SIG];

	if (b64_decode(raw, sizeof(raw), s->b64, s->b64len, B64_STD) !=
	    (ssize_t)sizeof(raw))
		return 0;
	return crypto_sign_verify_detached(raw + NOTE_KEYID,
	    (const uint8_t *)n->body, n->bodylen, pk) == 0;
}

enum note_verdict
note_verify(const struct note *n, const uint8_t pk[NOTE_PK])
{
	uint8_t			 id[NOTE_KEYID];
	const struct note_sig	*s;
	enum note_verdict	 v;
	unsigned int		 i;

	v = NOTE_ABSENT;
	note_keyid(n->origin, n->originlen, pk, id);
	for (i = 0; i < n->nsig; i++) {
		s = &n->sig[i];
		if (s->namelen != n->originlen ||
		    memcmp(s->name, n->origin, s->namelen) != 0 ||
		    memcmp(s->keyid, id, NOTE_KEYID) != 0)
			continue;
		/* one bad line of a known key spoils the note */
		if (!good(n, s, pk))
			return NOTE_BAD;
		v = NOTE_GOOD;
	}
	return v;
}
