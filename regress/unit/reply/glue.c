/* SPDX-License-Identifier: ISC */
/* Calls reply.c for reply_test, which cannot include worker.h. */
#include <string.h>

#include "proxyd/worker/worker.h"

void	 reply_run(int, int, const char *, const char *, char *, size_t);
void	 reply_stream(int, const char *, char *, size_t);

static const enum reply_case cases[] = { RC_AUTH, RC_BAD, RC_METHOD,
	RC_TOOLARGE, RC_NOTREADY, RC_UPSTREAM };

static void
copy(struct wbuf *b, char *out, size_t size)
{
	size_t	 n;

	n = b->len < size - 1 ? b->len : size - 1;
	memcpy(out, wbuf_bytes(b), n);
	out[n] = '\0';
	wbuf_free(b);
}

/* code -1: a policy block by step. */
void
reply_run(int form, int code, const char *message, const char *step,
    char *out, size_t size)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct reply_meta m;
	struct problem	 p;

	memset(&m, 0, sizeof(m));
	m.form = form;
	m.minor = 1;
	m.keep = 1;
	reply_id(m.id, NULL);
	if (code == -1) {
		memset(&p, 0, sizeof(p));
		p.status = 403;
		p.type = p.code = "policy_block";
		p.message = message;
		p.blocked = step;
		p.noretry = 1;
	} else
		reply_problem(&p, cases[code], message);
	reply_error(&b, &m, &p);
	copy(&b, out, size);
}

void
reply_stream(int shape, const char *message, char *out, size_t size)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct problem	 p;

	reply_problem(&p, RC_UPSTREAM, message);
	reply_event(&b, shape, &p);
	copy(&b, out, size);
}
