/* SPDX-License-Identifier: ISC */
/*
 * Entries: what the reader takes has one encoding.  Every accepted input is
 * written again item by item and must come out byte for byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit/entry.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
copy(struct cbor_r *r, struct cbor_w *w)
{
	struct cbor_item	 it, key;
	uint64_t		 i;

	if (cbor_next(r, &it) == -1)
		abort();
	switch (it.type) {
	case CBOR_UINT:
		cbor_uint(w, it.val);
		return;
	case CBOR_BYTES:
		cbor_bytes(w, it.data, (size_t)it.val);
		return;
	case CBOR_TEXT:
		cbor_text(w, it.data, (size_t)it.val);
		return;
	case CBOR_ARRAY:
	case CBOR_MAP:
		break;
	}
	cbor_open(w, it.type);
	for (i = 0; i < it.val; i++) {
		if (it.type == CBOR_MAP) {
			if (cbor_next(r, &key) == -1)
				abort();
			cbor_key(w, key.val);
		}
		copy(r, w);
	}
	cbor_close(w);
}

static void
same(const uint8_t *data, size_t size)
{
	static uint8_t	 out[1 << 20];
	struct cbor_w	 w;
	struct cbor_r	 r;

	r.buf = data;
	r.len = size;
	r.off = 0;
	cbor_init(&w, out, sizeof(out));
	copy(&r, &w);
	if (cbor_done(&w) != (ssize_t)size || memcmp(out, data, size) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry	 e;
	struct cbor_r	 r;
	const char	*why;
	uint64_t	 v;
	unsigned int	 k;
	int		 sub;

	if (size > 1 << 20)
		return 0;
	if (cbor_valid(data, size))
		same(data, size);
	if (entry_parse(data, size, &e, &why) == -1)
		return 0;
	/* an entry is CBOR of the subset, and all getters stay inside */
	if (!cbor_valid(data, size))
		abort();
	for (k = 0; k <= EK_COUNT; k++) {
		entry_get_uint(&e, k, &v);
		for (sub = 0; sub < 16; sub++)
			if (entry_at(&e, k, sub, &r) == 0 && r.off >= size)
				abort();
	}
	return 0;
}
