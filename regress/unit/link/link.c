/* SPDX-License-Identifier: ISC */
/* Frames at every split, and what closes a link. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/ipc/link.h"

static struct linkr	r;

/* Feeds all of p in pieces of step; counts frames, checks their bytes. */
static int
feed(const uint8_t *p, size_t len, size_t step, int *frames)
{
	struct link_frame	 f;
	uint8_t			*to;
	size_t			 n, room;
	int			 rc;

	link_reset(&r);
	*frames = 0;
	rc = 0;
	while (len > 0) {
		to = link_room(&r, &room);
		n = len < step ? len : step;
		if (n > room)
			n = room;
		assert_true(n > 0);
		memcpy(to, p, n);
		link_got(&r, n);
		p += n;
		len -= n;
		while ((rc = link_next(&r, &f)) == 1) {
			assert_true(f.len == 0 ||
			    f.data[f.len - 1] == (uint8_t)*frames);
			(*frames)++;
		}
		if (rc == -1)
			return -1;
	}
	return rc;
}

static void
test_splits(void **state)
{
	static uint8_t	 buf[65536];
	size_t		 len, n, step;
	int		 frames, i;

	(void)state;
	len = 0;
	for (i = 0; i < 40; i++) {
		n = (size_t)i * 37 % 500;
		link_head(buf + len, i % 6 + 1, 0, n);
		memset(buf + len + LINK_HEAD, i, n);
		len += LINK_HEAD + n;
	}
	for (step = 1; step < 600; step++) {
		assert_int_equal(feed(buf, len, step, &frames), 0);
		assert_int_equal(frames, 40);
	}
	assert_int_equal(feed(buf, len, sizeof(buf), &frames), 0);
	assert_int_equal(frames, 40);
}

static void
test_largest(void **state)
{
	static uint8_t		 buf[3 * (LINK_HEAD + LINK_DATA)];
	struct link_frame	 f;
	size_t			 room;
	int			 frames;

	(void)state;
	link_head(buf, LF_DATA, 0, LINK_DATA);
	memcpy(buf + LINK_HEAD + LINK_DATA, buf, LINK_HEAD);
	assert_int_equal(feed(buf, LINK_HEAD + LINK_DATA, 1000, &frames), 0);
	assert_int_equal(frames, 1);
	/* A full buffer is a whole frame. */
	link_reset(&r);
	memcpy(link_room(&r, &room), buf, sizeof(r.buf));
	assert_int_equal(room, sizeof(r.buf));
	link_got(&r, room);
	(void)link_room(&r, &room);
	assert_int_equal(room, 0);
	assert_int_equal(link_next(&r, &f), 1);
	assert_int_equal(f.len, LINK_DATA);
	(void)link_room(&r, &room);
	assert_int_equal(room, sizeof(r.buf));
}

/* Known as soon as the head is there, before any payload. */
static int
head_result(uint8_t type, uint8_t z1, uint8_t z2, size_t len)
{
	uint8_t	 head[LINK_HEAD];
	int	 frames;

	link_head(head, LF_DATA, 0, len);
	head[0] = type;
	head[2] = z1;
	head[3] = z2;
	return feed(head, sizeof(head), 8, &frames);
}

static void
test_bad(void **state)
{
	struct link_frame	 f;
	uint8_t			 t;

	(void)state;
	assert_int_equal(head_result(0, 0, 0, 5), -1);
	assert_int_equal(link_next(&r, &f), -1);	/* and stays so */
	assert_int_equal(head_result(7, 0, 0, 5), -1);
	assert_int_equal(head_result(255, 0, 0, 5), -1);
	assert_int_equal(head_result(LF_END, 1, 0, 5), -1);
	assert_int_equal(head_result(LF_END, 0, 1, 5), -1);
	assert_int_equal(head_result(LF_DATA, 0, 0, LINK_DATA), 0);
	assert_int_equal(head_result(LF_DATA, 0, 0, LINK_DATA + 1), -1);
	assert_int_equal(head_result(LF_DATA, 0, 0, 0xffffffff), -1);
	for (t = LF_OPEN; t <= LF_ERROR; t++) {
		if (t == LF_DATA)
			continue;
		assert_int_equal(head_result(t, 0, 0, LINK_CTRL), 0);
		assert_int_equal(head_result(t, 0, 0, LINK_CTRL + 1), -1);
	}
}

static void
test_flags(void **state)
{
	struct link_frame	 f;
	size_t			 room;

	(void)state;
	link_reset(&r);
	link_head(link_room(&r, &room), LF_HEAD, 0xa5, 0);
	link_got(&r, LINK_HEAD);
	assert_int_equal(link_next(&r, &f), 1);
	assert_int_equal(f.type, LF_HEAD);
	assert_int_equal(f.flags, 0xa5);
	assert_int_equal(f.len, 0);
	assert_int_equal(link_next(&r, &f), 0);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_flags)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
