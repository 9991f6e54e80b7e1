/* SPDX-License-Identifier: ISC */

/* A provider that answers 401: the call waits for the broker's word. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "regress/unit/egress/cases.h"

#define NO	"HTTP/1.1 401 No\r\ncontent-length: 60\r\n\r\nbad key " RIG_KEY
#define SECOND	"sk-another-0123456789abcdef"

/* One call up to REFUSED; its link and the broker's call. */
static int
refuse(struct call *c, uint32_t *id, uint64_t no, int nth)
{
	int	 w, p;

	w = rig_link(&rig, id);
	p = rig_accept(&rig);
	broker_call(&rig, c, *id, no, body, BODY);
	worker_open(w, no, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, c);
	provider_request(p, raw, sizeof(raw), BODY);
	assert_non_null(strstr(raw, "authorization: Bearer " RIG_KEY "\r\n"));
	provider_write(p, TEXT(NO));
	broker_refused(&rig, nth);
	assert_int_equal(rig.done.status, 401);
	assert_int_equal(rig.done.end, END_AUTH);
	assert_int_equal(rig.done.up, BODY);
	assert_true(provider_closed(p, RIG_WAIT));
	close(p);
	return w;
}

/* RELEASE once more: the same body under the other key, one answer. */
void
again(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = refuse(&c, &id, 1, 1);
	c.key = SECOND;
	broker_release(&rig, &c);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), BODY);
	assert_non_null(strstr(raw, "authorization: Bearer " SECOND "\r\n"));
	assert_null(strstr(raw, RIG_KEY));
	assert_non_null(strstr(raw, body));
	provider_write(p, TEXT(ANSWER));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	assert_int_equal(s.status, 200);
	assert_memory_equal(s.body, "ok", 2);
	worker_forget(&s);
	broker_done(&rig, 1);
	assert_int_equal(rig.done.status, 200);
	/* The link and its connection go on. */
	good(w, p, id, 2, 2);
	close(p);
	/* Refused again: no third attempt. */
	w = refuse(&c, &id, 3, 2);
	c.key = SECOND;
	broker_release(&rig, &c);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), BODY);
	provider_write(p, TEXT(NO));
	worker_read(w, &s);
	assert_int_equal(s.error, END_AUTH + 1);
	assert_int_equal(s.status, 502);
	assert_null(strstr(s.text, "sk-"));
	broker_done(&rig, 3);
	assert_int_equal(rig.done.status, 401);
	close(p);
}

/* DROP, a cut, a worker that goes; another request; a body that is gone. */
void
not_again(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	char		*big;
	size_t		 n;
	int		 w, p;

	(void)state;
	w = refuse(&c, &id, 1, 1);
	broker_drop(&rig, id, 1);
	worker_read(w, &s);
	assert_int_equal(s.error, END_AUTH + 1);
	assert_int_equal(s.status, 502);
	assert_non_null(strstr(s.text, "refused the gateway's"));
	assert_null(strstr(s.text, RIG_KEY));
	broker_done(&rig, 1);
	assert_int_equal(rig.done.status, 401);
	assert_int_equal(rig.done.up, BODY);
	p = rig_accept(&rig);			/* it was ahead of need */
	close(w);

	w = refuse(&c, &id, 2, 2);
	broker_cut(&rig, id, 2, CUT_REVOKED);
	broker_done(&rig, 2);
	assert_int_equal(rig.done.end, END_CUT);
	close(w);
	close(p);
	p = rig_accept(&rig);
	close(p);

	w = refuse(&c, &id, 3, 3);
	close(w);
	broker_done(&rig, 3);
	assert_int_equal(rig.done.end, END_ABORTED);
	close(rig_accept(&rig));

	w = refuse(&c, &id, 4, 4);
	c.digest[0] ^= 1;
	c.key = SECOND;
	broker_release(&rig, &c);
	broker_done(&rig, 4);
	assert_int_equal(rig.done.end, END_MISMATCH);
	close(w);
	close(rig_accept(&rig));

	n = EGRESS_HOLD + 1;
	big = calloc(1, n);
	assert_non_null(big);
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 5, big, n);
	broker_release(&rig, &c);
	worker_open(w, 5, n);
	worker_body(w, big, n);
	provider_request(p, raw, sizeof(raw), n);
	provider_write(p, TEXT(NO));
	broker_done(&rig, 5);
	assert_int_equal(rig.done.status, 401);
	assert_int_equal(rig.nrefused, 4);
	close(p);
	close(w);
	free(big);
}

/* The broker's own call: no worker, no link, no body. */
void
probe(void **state)
{
	struct call	 c;
	int		 p;

	(void)state;
	broker_call(&rig, &c, 0x80000001U, 7, "", 0);
	broker_release(&rig, &c);		/* without its mark: no */
	broker_done(&rig, 1);
	assert_int_equal(rig.done.end, END_LOST);
	c.flags = CF_PROBE;
	broker_release(&rig, &c);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), 0);
	assert_memory_equal(raw, "GET /v1/", 8);
	assert_non_null(strstr(raw, "authorization: Bearer " RIG_KEY "\r\n"));
	provider_write(p, TEXT(ANSWER));
	broker_done(&rig, 2);
	assert_int_equal(rig.done.status, 200);
	assert_int_equal(rig.done.end, END_OK);
	assert_true(provider_closed(p, RIG_WAIT));
	close(p);
}
