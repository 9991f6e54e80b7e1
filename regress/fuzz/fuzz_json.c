/* SPDX-License-Identifier: ISC */

/*
 * The tokenizer says the same of a text fed whole and fed in pieces, and the
 * text of every event is the text that stands there.  First byte: piece size.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A digest of the events, pieces of step bytes; *end = last verdict. */
static uint64_t
events(const uint8_t *p, size_t n, size_t step, int *end)
{
	struct json_event ev;
	struct json j;
	static uint8_t room[JSON_TEXT];
	char out[JSON_TEXT];
	uint64_t h, v;
	size_t m, pos;
	int k;

	json_init(&j, room, sizeof(room));
	h = 1469598103934665603ULL;
	for (pos = 0, k = JSON_MORE;; pos += m) {
		m = n - pos < step ? n - pos : step;
		if (m == 0)
			json_finish(&j);
		json_input(&j, p + pos, m);
		while ((k = json_next(&j, &ev)) > JSON_DONE) {
			if (ev.off + ev.len > n)
				abort();
			if (ev.text != NULL &&
			    memcmp(ev.text, p + ev.off, ev.len) != 0)
				abort();
			if ((ev.text == NULL) != (ev.len > JSON_TEXT))
				abort();
			if (k == JSON_KEY || k == JSON_STRING)
				if (ev.text != NULL &&
				    json_decode(&ev, out, sizeof(out)) == -1)
					abort();
			if (json_u64(&ev, &v) == 0)
				h ^= v;
			h = (h ^ (uint64_t)k ^ ev.off << 8 ^ ev.len << 24 ^
			    ev.depth ^ ev.flags) * 1099511628211ULL;
		}
		if (k != JSON_MORE)
			break;
	}
	*end = k;
	return h ^ json_offset(&j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t a, b;
	size_t step;
	int ka, kb;

	if (size == 0)
		return 0;
	step = data[0] % 17 + 1;
	a = events(data + 1, size - 1, size, &ka);
	b = events(data + 1, size - 1, step, &kb);
	if (a != b || ka != kb || ka == JSON_MORE)
		abort();
	return 0;
}
