/* SPDX-License-Identifier: ISC */
/*
 * Checkpoints: a parsed note's body, built again from what was read, is the
 * signed text; verification stays inside the input; a file of notes is cut
 * into pieces that never overlap.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit/note.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t	 pk[32] = {
		0x8a, 0x88, 0xe3, 0xdd, 0x74, 0x09, 0xf1, 0x95,
		0xfd, 0x52, 0xdb, 0x2d, 0x3c, 0xba, 0x5d, 0x72,
		0xca, 0x67, 0x09, 0xbf, 0x1d, 0x94, 0x12, 0x1b,
		0xf3, 0x74, 0x88, 0x01, 0xb4, 0x0f, 0x6f, 0x5c
	};
	struct note	 n;
	char		 origin[NOTE_ORIGIN + 1], body[NOTE_BODY + 1];
	const char	*p;
	ssize_t		 len;
	size_t		 off;

	p = (const char *)data;
	for (off = 0; off < size; off += (size_t)len) {
		len = note_span(p + off, size - off);
		if (len <= 0)
			break;
		if ((size_t)len >= size - off)
			abort();
	}
	if (note_parse(&n, p, size) == -1)
		return 0;
	memcpy(origin, n.origin, n.originlen);
	origin[n.originlen] = '\0';
	len = note_body(body, sizeof(body), origin, n.size, n.root);
	if (len != (ssize_t)n.bodylen || memcmp(body, p, n.bodylen) != 0)
		abort();
	note_verify(&n, pk);
	return 0;
}
