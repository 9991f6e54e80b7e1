/* SPDX-License-Identifier: ISC */
/*
 * Which value serves: the table of names that a provider has, each with its
 * current and its previous value in slots of their own, so that a call which
 * was recorded under a value ends with it whatever becomes of the source.  The
 * table is brought up to date when a name is asked for and a source changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "keybrokerd/broker/credential_table.h"

void
credential_live_free(struct creds *c)
{
	size_t	 i;

	for (i = 0; i < c->nlive; i++) {
		secret_free(&c->live[i].cur);
		secret_free(&c->live[i].prev);
	}
	c->nlive = 0;
}

/* ---- resolving ----------------------------------------------------------- */

/* The source says another value: what was current becomes previous. */
static void
shift(struct creds *c, struct live *l, const struct credential_found *f)
{
	struct secret	*s;

	if (l->cur != NULL && secret_len(l->cur) == f->len &&
	    secret_equal(secret_bytes(l->cur), f->p, f->len)) {
		strlcpy(l->from, f->from, sizeof(l->from));
		return;
	}
	if ((s = secret_dup(f->p, f->len)) == NULL)
		return;			/* the old one goes on */
	if (l->cur != NULL) {
		secret_free(&l->prev);
		l->prev = l->cur;
		l->prev_since = l->since;
		l->prev_refused = l->refused;
	}
	l->cur = s;
	l->since = f->since != 0 ? f->since : c->wall;
	l->refused = 0;
	l->changed = 1;
	strlcpy(l->from, f->from, sizeof(l->from));
}

/* Taken away on purpose (a source that is configured no more, a deletion). */
static void
withdraw(struct live *l)
{
	if (l->cur != NULL)
		l->changed = 1;
	secret_free(&l->cur);
	secret_free(&l->prev);
	l->refused = l->prev_refused = 0;
	l->from[0] = '\0';
}

static void
resolve(struct creds *c, struct live *l)
{
	struct credential_found	 f;

	if (l->version == c->version + 1)
		return;
	l->version = c->version + 1;
	if (credential_lookup(c, l->name, 1, &f) == -1) {
		l->state = CRED_ABSENT;
		withdraw(l);
		return;
	}
	l->state = (uint8_t)f.state;
	if (f.state == CRED_OK)
		shift(c, l, &f);
	else
		withdraw(l);
}

/* The row of a name, up to date; NULL: no room for another. */
static struct live *
row(struct creds *c, const char *name)
{
	struct live	*l;
	size_t		 i;

	for (i = 0; i < c->nlive; i++)
		if (strcmp(c->live[i].name, name) == 0)
			break;
	if (i == c->nlive) {
		if (i == LIVE || strlen(name) >= CREDENTIAL_NAME)
			return NULL;
		l = &c->live[c->nlive++];
		memset(l, 0, sizeof(*l));
		strlcpy(l->name, name, sizeof(l->name));
	}
	l = &c->live[i];
	resolve(c, l);
	return l;
}

static enum credential_state
view(const struct live *l, struct secret *s, const uint8_t **p, size_t *len)
{
	*p = NULL;
	*len = 0;
	if (l == NULL)
		return CRED_ABSENT;
	if (l->state != CRED_OK)
		return l->state;
	if (s == NULL)
		return CRED_ABSENT;
	*p = secret_bytes(s);
	*len = secret_len(s);
	return CRED_OK;
}

enum credential_state
credential_find(struct creds *c, const char *name, const uint8_t **p,
    size_t *len)
{
	struct live	*l;

	l = row(c, name);
	return view(l, l == NULL ? NULL : l->cur, p, len);
}

/* ---- attempts ------------------------------------------------------------ */

static int
remembered(uint64_t refused, uint64_t now)
{
	return refused != 0 && now < refused + CREDENTIAL_KEEP;
}

enum credential_state
credential_pick(struct creds *c, const char *name, uint64_t now,
    const uint8_t **p, size_t *len)
{
	struct live	*l;
	int		 prev;

	l = row(c, name);
	prev = l != NULL && l->prev != NULL && remembered(l->refused, now) &&
	    !remembered(l->prev_refused, now);
	return view(l, l == NULL ? NULL : prev ? l->prev : l->cur, p, len);
}

/* Has this secret that fingerprint? */
static int
is(const struct creds *c, const uint8_t *p, size_t len,
    const uint8_t want[CREDENTIAL_FPRINT])
{
	uint8_t	 fp[CREDENTIAL_FPRINT];

	return c->vault != NULL && p != NULL &&
	    credential_fingerprint(c->vault, p, len, fp) == 0 &&
	    memcmp(fp, want, sizeof(fp)) == 0;
}

static int
is_slot(const struct creds *c, struct secret *s,
    const uint8_t want[CREDENTIAL_FPRINT])
{
	return s != NULL && is(c, secret_bytes(s), secret_len(s), want);
}

int
credential_match(struct creds *c, const char *name,
    const uint8_t fprint[CREDENTIAL_FPRINT], const uint8_t **p, size_t *len)
{
	struct live	*l;
	struct secret	*s;
	uint64_t	 since;

	l = row(c, name);
	s = l == NULL ? NULL : is_slot(c, l->cur, fprint) ? l->cur :
	    is_slot(c, l->prev, fprint) ? l->prev : NULL;
	if (s != NULL) {
		*p = secret_bytes(s);
		*len = secret_len(s);
		return 0;
	}
	*p = NULL;
	*len = 0;
	if (c->vault == NULL)
		return -1;
	*p = credential_stored(c->vault, "new", name, len, &since);
	return is(c, *p, *len, fprint) ? 0 : -1;
}

int
credential_refused(struct creds *c, const char *name,
    const uint8_t fprint[CREDENTIAL_FPRINT], uint64_t now)
{
	struct live	*l;
	int		 news;

	if ((l = row(c, name)) == NULL)
		return 0;
	if (is_slot(c, l->cur, fprint)) {
		news = !remembered(l->refused, now);
		l->refused = now;
		return news;
	}
	if (is_slot(c, l->prev, fprint))
		l->prev_refused = now;
	return 0;
}

int
credential_second(struct creds *c, const char *name,
    const uint8_t fprint[CREDENTIAL_FPRINT], uint64_t now, const uint8_t **p,
    size_t *len)
{
	struct live	*l;
	struct secret	*s;

	*p = NULL;
	*len = 0;
	if ((l = row(c, name)) == NULL || l->state != CRED_OK)
		return -1;
	s = NULL;
	if (l->cur != NULL && !remembered(l->refused, now) &&
	    !is_slot(c, l->cur, fprint))
		s = l->cur;
	else if (l->prev != NULL && !remembered(l->prev_refused, now) &&
	    !is_slot(c, l->prev, fprint))
		s = l->prev;
	if (s == NULL)
		return -1;
	*p = secret_bytes(s);
	*len = secret_len(s);
	return 0;
}

int
credential_reread(struct creds *c, const char *name, uint64_t now)
{
	struct live	*l;

	l = row(c, name);
	if (l == NULL)
		return 0;
	if (l->reading)
		return 2;
	if (remembered(l->reread, now))
		return 0;
	l->reread = now;
	l->reading = 1;
	return 1;
}

void
credential_reread_done(struct creds *c, const char *name)
{
	size_t	 i;

	for (i = 0; i < c->nlive; i++)
		if (name[0] == '\0' || strcmp(c->live[i].name, name) == 0)
			c->live[i].reading = 0;
}

void
credential_used(struct creds *c, const char *name)
{
	struct live	*l;

	if ((l = row(c, name)) != NULL)
		l->used = c->wall;
}

int
credential_changed(struct creds *c, char name[CREDENTIAL_NAME],
    char from[256], uint8_t fprint[CREDENTIAL_FPRINT])
{
	struct live	*l;
	size_t		 i;

	for (i = 0; i < c->nlive; i++) {
		l = &c->live[i];
		resolve(c, l);
		if (!l->changed)
			continue;
		l->changed = 0;
		strlcpy(name, l->name, CREDENTIAL_NAME);
		strlcpy(from, l->from, 256);
		memset(fprint, 0, CREDENTIAL_FPRINT);
		if (l->cur != NULL && c->vault != NULL)
			(void)credential_fingerprint(c->vault,
			    secret_bytes(l->cur), secret_len(l->cur), fprint);
		return 1;
	}
	return 0;
}

void
credential_settled(struct creds *c)
{
	size_t	 i;

	for (i = 0; i < c->nlive; i++)
		c->live[i].changed = 0;
}

/* ---- warnings ------------------------------------------------------------ */

/* The file is away: what came from it may be dropped when asked for. */
static void
mark_kept(struct creds *c, uint8_t kind, const char *name, int kept)
{
	size_t	 i, n;

	for (i = 0; i < c->nheld; i++) {
		n = strlen(c->held[i].v.name);
		if (c->held[i].kind == kind &&
		    strncmp(c->held[i].v.name, name, n) == 0 &&
		    name[n] == ':' &&
		    strcmp(c->held[i].path, name + n + 1) == 0)
			c->held[i].v.kept = (uint8_t)kept;
	}
}

int
credential_trouble(struct creds *c, enum proto_source kind, const char *name,
    const char *text)
{
	struct trouble	*t;
	size_t		 i;

	mark_kept(c, (uint8_t)kind, name, text != NULL);
	for (i = 0; i < c->ntroubles; i++)
		if (c->trouble[i].kind == kind &&
		    strcmp(c->trouble[i].name, name) == 0)
			break;
	if (text == NULL) {
		if (i == c->ntroubles)
			return 0;
		c->trouble[i] = c->trouble[--c->ntroubles];
		return 1;
	}
	if (i == TROUBLES)
		return 1;
	t = &c->trouble[i];
	if (i < c->ntroubles && strcmp(t->text, text) == 0)
		return 0;
	if (i == c->ntroubles)
		c->ntroubles++;
	t->kind = (uint8_t)kind;
	strlcpy(t->name, name, sizeof(t->name));
	strlcpy(t->text, text, sizeof(t->text));
	return 1;
}

/* The path of VARIABLE:PATH, else all of it. */
static const char *
path_of(const struct trouble *t)
{
	const char	*colon;

	colon = t->kind == SRC_KEYFILE || t->kind == SRC_DIRFILE ?
	    strchr(t->name, ':') : NULL;
	return colon == NULL ? t->name : colon + 1;
}

size_t
credential_troubles(const struct creds *c, char *out, size_t size)
{
	const char	*path, *text;
	size_t		 i, off;
	int		 n;

	out[0] = '\0';
	for (i = off = 0; i < c->ntroubles; i++) {
		path = path_of(&c->trouble[i]);
		text = c->trouble[i].text;
		n = snprintf(out + off, size - off, "WARNING %s%s%s\n",
		    strncmp(text, path, strlen(path)) == 0 ? "" : path,
		    strncmp(text, path, strlen(path)) == 0 ? "" : ": ", text);
		if (n < 0 || (size_t)n >= size - off) {
			out[off] = '\0';
			break;
		}
		off += (size_t)n;
	}
	return off;
}

/* ---- lists --------------------------------------------------------------- */

static const char *
trouble_of(const struct creds *c, const char *name, const char *from)
{
	size_t		 i, n;
	const char	*t;

	n = strlen(name);
	for (i = 0; i < c->ntroubles; i++) {
		t = c->trouble[i].name;
		if (strcmp(t, from) == 0 || (strncmp(t, name, n) == 0 &&
		    t[n] == ':' && strcmp(t + n + 1, from) == 0))
			return c->trouble[i].text;
	}
	return "";
}

static void
put_fprint(const struct creds *c, struct credential_row *r, const uint8_t *p,
    size_t len)
{
	r->has_fprint = c->vault != NULL && p != NULL &&
	    credential_fingerprint(c->vault, p, len, r->fprint) == 0;
}

/* Row i of the sources proper; -1: there are only *n. */
static int
source_row(struct creds *c, const struct live *l, size_t i,
    struct credential_row *r, size_t *n)
{
	struct credential_found	 f, g;
	size_t			 k;
	int			 serves;

	for (*n = k = 0; credential_source(c, l->name, k, &f) == 0; k++) {
		if (f.state == CRED_ABSENT || (*n)++ != i)
			continue;
		serves = credential_lookup(c, l->name, 1, &g) == 0 &&
		    g.from == f.from && g.state == f.state;
		strlcpy(r->source, f.from, sizeof(r->source));
		r->state = f.state == CRED_TP ? "ignored" :
		    f.state == CRED_BAD ? "not usable" :
		    serves ? "in use" : "shadowed";
		r->since = f.since;
		put_fprint(c, r, f.p, f.len);
		if (serves)
			r->used = l->used;
		strlcpy(r->note, f.state == CRED_TP ? "a proxyd key (tp_...)" :
		    trouble_of(c, l->name, f.from), sizeof(r->note));
		if (serves && l->refused != 0)
			strlcpy(r->note, "refused by the provider (401)",
			    sizeof(r->note));
		return 0;
	}
	return -1;
}

int
credential_row(struct creds *c, const char *name, size_t i,
    struct credential_row *r)
{
	const uint8_t	*p;
	struct live	*l;
	size_t		 n, len;

	memset(r, 0, sizeof(*r));
	if ((l = row(c, name)) == NULL)
		return -1;
	if (source_row(c, l, i, r, &n) == 0)
		return 0;
	i -= n;
	if (l->prev != NULL && i-- == 0) {
		strlcpy(r->source, "memory", sizeof(r->source));
		r->state = "previous";
		r->since = l->prev_since;
		put_fprint(c, r, secret_bytes(l->prev), secret_len(l->prev));
		if (l->prev_refused != 0)
			strlcpy(r->note, "refused by the provider (401)",
			    sizeof(r->note));
		return 0;
	}
	p = c->vault == NULL ? NULL : credential_stored(c->vault, "new", name,
	    &len, &r->since);
	if (p == NULL || i != 0)
		return -1;
	strlcpy(r->source, "vault", sizeof(r->source));
	r->state = "staged";
	put_fprint(c, r, p, len);
	strlcpy(r->note, "not in use until \"proxyctl secret test\" proves it",
	    sizeof(r->note));
	return 0;
}

size_t
credential_names(struct creds *c, const struct vault *v,
    const char *const *names, size_t n, char *out, size_t size)
{
	char		 line[CREDENTIAL_NAME + PATH_LEN + 256], why[768];
	char		 hex[HEX_SIZE(8)];
	const uint8_t	*p;
	uint8_t		 fp[CREDENTIAL_FPRINT];
	size_t		 i, len, off;

	out[0] = '\0';
	for (i = off = 0; i < n; i++) {
		if (credential_find(c, names[i], &p, &len) == CRED_OK) {
			if (credential_fingerprint(v, p, len, fp) == -1)
				strlcpy(hex, "-", sizeof(hex));
			else
				hex_encode(hex, sizeof(hex), fp, 8);
			snprintf(line, sizeof(line), "%s  %s  %s%s\n",
			    names[i], row(c, names[i])->from, hex,
			    row(c, names[i])->refused != 0 ?
			    "  REFUSED by the provider (401)" : "");
		} else {
			credential_explain(c, names[i], why, sizeof(why));
			snprintf(line, sizeof(line), "%.600s\n", why);
		}
		if (off + strlen(line) >= size)
			break;
		off += strlcpy(out + off, line, size - off);
	}
	return off;
}
