/* SPDX-License-Identifier: ISC */
/*
 * ANSWER rows (proto.h).  A row with a key in it is wiped from every place it
 * passes: the composing buffer here, the secret that waits for COMMITTED, the
 * outbox.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/admin.h"

/* An answer that comes by itself (a probe's) has no question to count. */
static void
count(const struct admin_ask *a, uint16_t status)
{
	if (a->m != NULL)
		meter_admin(a->b, a->m->type, status);
}

static void
compose(struct msgw *w, struct admin_ask *a, uint16_t status, int more,
    const char *const *f, size_t n)
{
	size_t	 i;

	msg_open(w, M_ANSWER);
	msg_put_u32(w, a->cookie);
	msg_put_u16(w, status);
	msg_put_u8(w, (uint8_t)more);
	msg_put_u16(w, (uint16_t)n);
	for (i = 0; i < n; i++)
		msg_put_str(w, f[i]);
}

void
admin_row(struct admin_ask *a, uint16_t status, const char *const *f,
    size_t n)
{
	struct msgw	 w;

	compose(&w, a, status, 1, f, n);
	outbox_send(a->o, a->from->kind, a->from->index, &w);
}

void
admin_end(struct admin_ask *a, uint16_t status)
{
	struct msgw	 w;

	count(a, status);
	compose(&w, a, status, 0, NULL, 0);
	outbox_send(a->o, a->from->kind, a->from->index, &w);
}

void
admin_set(struct admin_line *l, size_t i, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(l->t[i], sizeof(l->t[i]), fmt, ap);
	va_end(ap);
	l->f[i] = l->t[i];
}

size_t
admin_line_bytes(const struct admin_line *l)
{
	size_t	 i, n;

	n = MSG_HEAD + 9;
	for (i = 0; i < l->n; i++)
		n += 2 + strlen(l->f[i]);
	return n;
}

void
admin_page_end(struct admin_ask *a, const char *cursor, size_t total)
{
	const char	*f[2];
	struct msgw	 w;
	char		 all[24];

	all[0] = '\0';
	if (total != SIZE_MAX)
		snprintf(all, sizeof(all), "%zu", total);
	f[0] = cursor;
	f[1] = all;
	compose(&w, a, 200, 0, f, 2);
	outbox_send(a->o, a->from->kind, a->from->index, &w);
}

void
admin_list(struct admin_ask *a, const struct admin_page *page,
    admin_next next, const void *arg, size_t total)
{
	struct admin_line	 l;
	char			 cursor[24];
	uint64_t		 at, before;
	size_t			 bytes;
	uint32_t		 n;

	cursor[0] = '\0';
	bytes = 0;
	at = page->cursor;
	for (n = 0;; n++) {
		before = at;
		if (!next(a, arg, &at, &l))
			break;
		bytes += admin_line_bytes(&l);
		if (bytes > ADMIN_LIST || (page->limit != 0 &&
		    n == page->limit)) {
			snprintf(cursor, sizeof(cursor), "%llu",
			    (unsigned long long)before);
			break;
		}
		admin_row(a, 200, l.f, l.n);
	}
	meter_admin(a->b, a->m->type, 200);
	admin_page_end(a, cursor, total);
}

static void __attribute__((format(printf, 5, 0)))
refusal(struct msgw *w, struct admin_ask *a, uint16_t status,
    const char *code, const char *fmt, va_list ap)
{
	const char	*f[2];
	char		 text[REASON_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	f[0] = code;
	f[1] = text;
	count(a, status);
	compose(w, a, status, 0, f, 2);
}

void
admin_fail(struct admin_ask *a, uint16_t status, const char *code,
    const char *fmt, ...)
{
	struct msgw	 w;
	va_list		 ap;

	va_start(ap, fmt);
	refusal(&w, a, status, code, fmt, ap);
	va_end(ap);
	outbox_send(a->o, a->from->kind, a->from->index, &w);
}

void
admin_fail_then(struct admin_ask *a, uint16_t status, const char *code,
    const char *fmt, ...)
{
	struct msgw	 w;
	va_list		 ap;

	va_start(ap, fmt);
	refusal(&w, a, status, code, fmt, ap);
	va_end(ap);
	batch_then(a->b, a->from, M_ANSWER, w.buf, w.len);
}

int
admin_then(struct admin_ask *a, uint16_t status, const char *const *f,
    size_t n, int secret)
{
	struct secret	*s;
	struct msgw	 w;

	compose(&w, a, status, 1, f, n);
	if (secret) {
		s = w.bad ? NULL : secret_dup(w.buf, w.len);
		secret_wipe(w.buf, w.len);
		if (s == NULL)
			return -1;
		batch_then_secret(a->b, a->from, M_ANSWER, s);
	} else
		batch_then(a->b, a->from, M_ANSWER, w.buf, w.len);
	count(a, status);
	compose(&w, a, status, 0, NULL, 0);
	batch_then(a->b, a->from, M_ANSWER, w.buf, w.len);
	return 0;
}
