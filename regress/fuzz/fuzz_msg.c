/* SPDX-License-Identifier: ISC */
/*
 * A received packet: messages may be handed on only from a packet that adds
 * up, and no reader may leave its payload.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc/msg.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct walk {
	size_t	 total;
};

/* Takes the payload apart as its own bytes say. */
static int
on_message(void *arg, struct msgr *r, int fd)
{
	struct walk	*w;
	uint8_t		 raw[64];
	char		 str[40];
	size_t		 n, start;

	w = arg;
	if (fd != -1 || r->type == 0)
		abort();
	w->total += MSG_HEAD + r->len;
	while (!r->bad && r->off < r->len) {
		start = r->off;
		switch (r->p[r->off] % 8) {
		case 0:
			(void)msg_get_u8(r);
			break;
		case 1:
			(void)msg_get_u16(r);
			break;
		case 2:
			(void)msg_get_u32(r);
			break;
		case 3:
			(void)msg_get_u64(r);
			break;
		case 4:
			msg_get_raw(r, raw, sizeof(raw));
			break;
		case 5:
			n = msg_get_str(r, str, sizeof(str));
			if (n != strlen(str) || n >= sizeof(str))
				abort();
			break;
		case 6:
			if (msg_get_strv(r, 1000, &n) == NULL && n != 0)
				abort();
			break;
		default:
			if (msg_get_blob(r, 1000, &n) == NULL && n != 0)
				abort();
		}
		if (!r->bad && r->off <= start)
			abort();
		if (r->off > r->len)
			abort();
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct walk	 w;
	int		 n;

	w.total = 0;
	n = msg_packet(data, size, -1, on_message, &w);
	if (n != -1 && w.total != size)
		abort();
	if (n == -1 && w.total != 0)
		abort();
	return 0;
}
