/* SPDX-License-Identifier: ISC */
/*
 * The verifier over a dump of unknown origin: any records in any order.
 * Nothing crashes, and nothing that was not signed is called intact (the
 * pinned root is random, so that no input can be).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit/dump.h"
#include "keybrokerd/auditverify/auditverify.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
convert(const struct dump_rec *in, struct rec *r)
{
	memset(r, 0, sizeof(*r));
	r->kind = in->kind == DUMP_ENTRY ? REC_ENTRY :
	    in->kind == DUMP_CHECKPOINT ? REC_CHECKPOINT :
	    in->kind == DUMP_TILE ? REC_TILE :
	    in->kind == DUMP_RANGE ? REC_RANGE : REC_END;
	r->data = in->data;
	r->len = in->len;
	r->level = in->level;
	r->index = in->index;
	r->width = in->width;
	r->counted = in->kind == DUMP_END;
	r->entries = in->entries;
	r->checkpoints = in->checkpoints;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t	 pin[32] = { 1, 2, 3 };
	struct remember		 old;
	struct dump_rec		 in;
	struct judge		*j;
	struct rec		 r;
	ssize_t			 n;
	size_t			 off;
	int			 done;

	memset(&old, 0, sizeof(old));
	memset(&in, 0, sizeof(in));
	/* the first byte: with the pin, or trusting the log */
	j = judge_new(size > 0 && (data[0] & 1) != 0 ? pin : NULL, &old);
	if (j == NULL)
		abort();
	done = 0;
	for (off = 1; !done && off < size; off += (size_t)n) {
		n = dump_next(data + off, size - off, &in);
		if (n <= 0)
			break;
		convert(&in, &r);
		done = judge_take(j, &r);
		if (done && j->fault == FAULT_NONE && j->pinned)
			abort();
	}
	judge_free(j);
	return 0;
}
