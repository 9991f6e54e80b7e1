/* SPDX-License-Identifier: ISC */

/*
 * Hostile answers, chosen by the model name: anything that ends in
 * "mode-NAME", "mode-NAME-A" or "mode-NAME-A-B" (A, B numbers).
 *
 *	slow-first-S	first byte after S seconds
 *	drip-N-MS	stream of N text events, MS ms apart
 *	big-KB		answer text of KB KiB
 *	reset-before	RST instead of a head
 *	reset-body	half of the body, then RST
 *	cut		half of the body, then an orderly close
 *	cut-clean	half of the events, then a correct end of the framing
 *	badchunk	chunk size that is no number
 *	badstatus	status line that is none
 *	early		answers before the body is read, then closes
 *	status-CODE	error CODE; 401 and 403 show the credential
 *	status-429-S	the same with Retry-After: S (any code)
 *	echo		says the credential
 *	echo-split-K	the same, cut after K of its bytes into two chunks
 *	echo-bytes	the same, each byte a chunk
 *	echo-header	credential in a header
 *	echo-header-K	the same, the head cut after K of its bytes
 *	gzip		compressed although nobody asked
 *	flood-N		N answers 103 first
 *	hugeheader-KB	a header field of KB KiB
 *	twice		a second answer behind the first
 *	short, long	Content-Length below, above the body
 *	never		no answer
 *	idleclose	closes right after a complete answer
 *	close		says Connection: close and does
 *	nousage		no usage in the answer
 *	errevent	error event in mid-stream, then a clean end
 *	pings-N-MS	N comment lines, MS ms apart, before the first event
 */

#include <stdlib.h>
#include <string.h>

#include "provider.h"

static char *filler;

/* --- before the answer is made */

static void
pre_drip(struct call *c)
{
	c->ndeltas = c->a == 0 ? 1 : c->a;
	c->reply.interval = c->b;
	free(filler);
	filler = calloc(1, (size_t)c->ndeltas * 4 + 1);
	if (filler != NULL) {
		memset(filler, 'w', (size_t)c->ndeltas * 4);
		c->text = filler;
	}
}

static void
pre_big(struct call *c)
{
	free(filler);
	filler = calloc(1, (size_t)c->a * 1024 + 1);
	if (filler != NULL) {
		memset(filler, 'b', (size_t)c->a * 1024);
		c->text = filler;
	}
}

static void
pre_echo(struct call *c)
{
	c->text = c->key;
	c->whole = 1;
}

static void
pre_nousage(struct call *c)
{
	c->nousage = 1;
}

static void
pre_errevent(struct call *c)
{
	c->errevent = 1;
}

static void
pre_close(struct call *c)
{
	c->reply.close = 1;
}

static void
pre_header(struct call *c)
{
	buf_fmt(&c->reply.head, "X-Echo: %s\r\n", c->key);
}

static void
pre_huge(struct call *c)
{
	unsigned i;

	buf_str(&c->reply.head, "X-Huge: ");
	for (i = 0; i < c->a * 1024; i++)
		buf_str(&c->reply.head, "h");
	buf_str(&c->reply.head, "\r\n");
}

/* --- instead of the honest plan */

static void
all_items(struct call *c, struct buf *b)
{
	size_t i;

	for (i = 0; i < c->reply.nitem; i++)
		buf_add(b, c->reply.item[i].p, c->reply.item[i].n);
}

static void
chunk(struct buf *b, const char *p, size_t n)
{
	buf_fmt(b, "%zx\r\n", n);
	buf_add(b, p, n);
	buf_str(b, "\r\n");
}

static void
slow_first(struct call *c)
{
	answer_plan(c);
	c->plan->s[0].delay = c->a * 1000;
}

static void
reset_before(struct call *c)
{
	plan_act(c->plan, 0, ACT_RESET);
}

/* Head and half of the body with the framing of the whole. */
static void
half(struct call *c)
{
	struct step *s;
	struct buf body;
	size_t i;

	memset(&body, 0, sizeof(body));
	all_items(c, &body);
	s = plan_step(c->plan, 0);
	answer_head(c, &s->out, c->reply.stream, body.n);
	if (!c->reply.stream)
		buf_add(&s->out, body.p, body.n / 2);
	else
		for (i = 0; i < c->reply.nitem / 2; i++)
			chunk(&s->out, c->reply.item[i].p,
			    c->reply.item[i].n);
	buf_free(&body);
}

static void
reset_body(struct call *c)
{
	half(c);
	plan_act(c->plan, 50, ACT_RESET);
}

static void
cut(struct call *c)
{
	half(c);
	plan_act(c->plan, 50, ACT_CLOSE);
}

static void
cut_clean(struct call *c)
{
	struct step *s;

	half(c);
	if (!c->reply.stream) {
		plan_act(c->plan, 50, ACT_CLOSE);
		return;
	}
	s = plan_step(c->plan, 0);
	buf_str(&s->out, "0\r\n\r\n");
}

static void
badchunk(struct call *c)
{
	struct step *s;

	s = plan_step(c->plan, 0);
	answer_head(c, &s->out, 1, 0);
	chunk(&s->out, c->reply.item[0].p, c->reply.item[0].n);
	buf_str(&s->out, "zz\r\nrubbish\r\n");
	plan_act(c->plan, 2000, ACT_CLOSE);
}

static void
badstatus(struct call *c)
{
	struct step *s;

	s = plan_step(c->plan, 0);
	buf_str(&s->out, "HTTP/1.1 2OO Fine\r\nContent-Length: 0\r\n\r\n");
	plan_act(c->plan, 2000, ACT_CLOSE);
}

static void
early(struct call *c)
{
	c->reply.close = 1;
	answer_plan(c);
	c->plan->s[c->plan->n - 1].act = ACT_NONE;
	plan_act(c->plan, 200, ACT_CLOSE);
}

static void
status(struct call *c)
{
	struct buf msg;
	const char *type;

	memset(&msg, 0, sizeof(msg));
	if (c->a < 200 || c->a > 599)
		c->a = 500;
	type = c->a == 401 ? "authentication_error" :
	    c->a == 403 ? "permission_error" :
	    c->a == 429 ? "rate_limit_error" :
	    c->a == 529 ? "overloaded_error" : "api_error";
	if (c->a == 401 || c->a == 403)
		buf_fmt(&msg, "Incorrect API key provided: %s.", c->key);
	else
		buf_fmt(&msg, "The provider answers %u", c->a);
	answer_error(c, (int)c->a, type, msg.p);
	if (c->b > 0)
		buf_fmt(&c->reply.head, "Retry-After: %u\r\n", c->b);
	if (c->a == 302)
		buf_str(&c->reply.head,
		    "Location: http://127.0.0.1:1/v1/elsewhere\r\n");
	answer_plan(c);
	buf_free(&msg);
}

/* Body in chunks of one byte, or cut after K bytes of the credential. */
static void
echo_cut(struct call *c, int bytes)
{
	struct buf *it;
	struct step *s;
	const char *hit;
	size_t at, i, k;

	s = plan_step(c->plan, 0);
	answer_head(c, &s->out, 1, 0);
	for (i = 0; i < c->reply.nitem; i++) {
		it = &c->reply.item[i];
		hit = c->key[0] == '\0' ? NULL : strstr(it->p, c->key);
		if (hit == NULL) {
			chunk(&s->out, it->p, it->n);
			continue;
		}
		for (k = 0; bytes && k < it->n; k++)
			chunk(&s->out, it->p + k, 1);
		at = (size_t)(hit - it->p) + c->a;
		if (bytes)
			continue;
		if (at == 0 || at >= it->n)
			chunk(&s->out, it->p, it->n);
		else {
			chunk(&s->out, it->p, at);
			s = plan_step(c->plan, 5);
			chunk(&s->out, it->p + at, it->n - at);
		}
	}
	buf_str(&s->out, "0\r\n\r\n");
}

static void
echo_split(struct call *c)
{
	echo_cut(c, 0);
}

static void
echo_bytes(struct call *c)
{
	echo_cut(c, 1);
}

static void
echo_header(struct call *c)
{
	struct buf *b;
	struct step *s;
	const char *hit;
	size_t at;

	answer_plan(c);
	b = &c->plan->s[0].out;
	hit = strstr(b->p, c->key);
	if (c->a == 0 || hit == NULL)
		return;
	at = (size_t)(hit - b->p) + c->a;
	if (at >= b->n)
		return;
	/* the answer was one step: its rest becomes the second */
	s = plan_step(c->plan, 5);
	b = &c->plan->s[0].out;
	buf_add(&s->out, b->p + at, b->n - at);
	b->n = at;
}

static uint32_t
crc32(const char *p, size_t n)
{
	uint32_t c;
	int k;

	for (c = 0xffffffff; n > 0; n--) {
		c ^= (uint8_t)*p++;
		for (k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
	}
	return ~c;
}

static void
little(struct buf *b, uint32_t v, int n)
{
	uint8_t byte;

	for (; n > 0; n--, v >>= 8) {
		byte = (uint8_t)v;
		buf_add(b, &byte, 1);
	}
}

/* RFC 1952 around one stored block of RFC 1951. */
static void
gzip(struct call *c)
{
	struct buf body, z;
	struct step *s;

	memset(&body, 0, sizeof(body));
	memset(&z, 0, sizeof(z));
	all_items(c, &body);
	if (body.n > 65535)
		body.n = 65535;
	buf_add(&z, "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01", 11);
	little(&z, (uint32_t)body.n, 2);
	little(&z, ~(uint32_t)body.n, 2);
	buf_add(&z, body.p, body.n);
	little(&z, crc32(body.p, body.n), 4);
	little(&z, (uint32_t)body.n, 4);
	buf_str(&c->reply.head, "Content-Encoding: gzip\r\n");
	s = plan_step(c->plan, 0);
	answer_head(c, &s->out, 0, z.n);
	buf_add(&s->out, z.p, z.n);
	buf_free(&body);
	buf_free(&z);
}

static void
flood(struct call *c)
{
	struct step *s;
	unsigned i;

	s = plan_step(c->plan, 0);
	for (i = 0; i < c->a; i++)
		buf_str(&s->out, "HTTP/1.1 103 Early Hints\r\n"
		    "Link: </x>; rel=preload\r\n\r\n");
	answer_plan(c);
}

static void
twice(struct call *c)
{
	answer_plan(c);
	answer_plan(c);
}

static void
wrong_length(struct call *c, int less)
{
	struct step *s;
	struct buf body;

	memset(&body, 0, sizeof(body));
	all_items(c, &body);
	s = plan_step(c->plan, 0);
	answer_head(c, &s->out, 0, less ? body.n / 2 : body.n + 10);
	buf_add(&s->out, body.p, body.n);
	plan_act(c->plan, less ? 200 : 50, ACT_CLOSE);
	buf_free(&body);
}

static void
length_short(struct call *c)
{
	wrong_length(c, 1);
}

static void
length_long(struct call *c)
{
	wrong_length(c, 0);
}

static void
never(struct call *c)
{
	plan_act(c->plan, 0, ACT_HANG);
}

static void
idleclose(struct call *c)
{
	answer_plan(c);
	plan_act(c->plan, 0, ACT_CLOSE);
}

static void
pings(struct call *c)
{
	struct step *s;
	unsigned i;

	if (!c->reply.stream) {
		answer_plan(c);
		return;
	}
	s = plan_step(c->plan, 0);
	answer_head(c, &s->out, 1, 0);
	for (i = 0; i < c->a; i++) {
		s = plan_step(c->plan, c->b);
		chunk(&s->out, ": working\n\n", 11);
	}
	for (i = 0; i < c->reply.nitem; i++)
		chunk(&s->out, c->reply.item[i].p, c->reply.item[i].n);
	buf_str(&s->out, "0\r\n\r\n");
}

/* The longer of two names that begin alike stands first. */
static const struct {
	const char	*name;
	void		(*pre)(struct call *);
	void		(*plan)(struct call *);
} modes[] = {
	{ "slow-first", NULL, slow_first },
	{ "drip", pre_drip, NULL },
	{ "big", pre_big, NULL },
	{ "reset-before", NULL, reset_before },
	{ "reset-body", NULL, reset_body },
	{ "cut-clean", NULL, cut_clean },
	{ "cut", NULL, cut },
	{ "badchunk", NULL, badchunk },
	{ "badstatus", NULL, badstatus },
	{ "early", NULL, early },
	{ "status", NULL, status },
	{ "echo-split", pre_echo, echo_split },
	{ "echo-bytes", pre_echo, echo_bytes },
	{ "echo-header", pre_header, echo_header },
	{ "echo", pre_echo, NULL },
	{ "gzip", NULL, gzip },
	{ "flood", NULL, flood },
	{ "hugeheader", pre_huge, NULL },
	{ "twice", NULL, twice },
	{ "short", NULL, length_short },
	{ "long", NULL, length_long },
	{ "never", NULL, never },
	{ "idleclose", NULL, idleclose },
	{ "close", pre_close, NULL },
	{ "nousage", pre_nousage, NULL },
	{ "errevent", pre_errevent, NULL },
	{ "pings", NULL, pings }
};

/* "-A-B" behind a mode's name. */
static int
numbers(struct call *c, const char *s)
{
	char *end;

	c->a = c->b = 0;
	if (*s == '-') {
		c->a = (unsigned)strtoul(s + 1, &end, 10);
		s = end;
	}
	if (*s == '-') {
		c->b = (unsigned)strtoul(s + 1, &end, 10);
		s = end;
	}
	return *s == '\0' ? 0 : -1;
}

/* Makes reply and plan: honest unless the model names a mode. */
void
mode_plan(struct call *c)
{
	const char *s;
	size_t i, n;

	s = strstr(c->ask->model, "mode-");
	for (i = 0; s != NULL && i < sizeof(modes) / sizeof(modes[0]); i++) {
		n = strlen(modes[i].name);
		if (strncmp(s + 5, modes[i].name, n) == 0 &&
		    numbers(c, s + 5 + n) == 0)
			break;
	}
	if (s == NULL || i == sizeof(modes) / sizeof(modes[0])) {
		answer_make(c);
		answer_plan(c);
		return;
	}
	if (modes[i].pre != NULL)
		modes[i].pre(c);
	answer_make(c);
	if (modes[i].plan != NULL)
		modes[i].plan(c);
	else
		answer_plan(c);
}

/* 1 if the part of a body seen so far asks for an early answer. */
int
mode_early(const char *body, size_t n)
{
	return n > 0 && memmem(body, n, "mode-early", 10) != NULL;
}
