/* SPDX-License-Identifier: ISC */
/*
 * Writer and reader of AE1 entries.  The reader runs in auditverify over
 * bytes of unknown origin and believes none of them; the writer reads back
 * what it wrote, so that both always agree.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/audit/entry.h"

/* --- writer ---------------------------------------------------------- */

static int
begin(struct entry_w *w, void *buf, size_t size, uint64_t seq,
    const char *name)
{
	cbor_init(&w->c, buf, size > ENTRY_MAX ? ENTRY_MAX : size);
	cbor_open(&w->c, CBOR_MAP);
	entry_put_uint(w, EK_VERSION, ENTRY_VERSION);
	entry_put_uint(w, EK_SEQ, seq);
	return entry_put_text(w, EK_TYPE, name, strlen(name));
}

int
entry_begin(struct entry_w *w, void *buf, size_t size, uint64_t seq,
    enum entry_type type)
{
	const char	*name;

	name = entry_type_name(type);
	if (name == NULL) {
		cbor_init(&w->c, buf, 0);
		w->c.err = errno = EINVAL;
		return -1;
	}
	return begin(w, buf, size, seq, name);
}

int
entry_begin_admin(struct entry_w *w, void *buf, size_t size, uint64_t seq,
    const char *what)
{
	char	 name[ENTRY_TYPE_MAX + 1];
	int	 n;

	n = snprintf(name, sizeof(name), "admin.%s", what);
	if (n < 7 || (size_t)n >= sizeof(name)) {
		cbor_init(&w->c, buf, 0);
		w->c.err = errno = EINVAL;
		return -1;
	}
	return begin(w, buf, size, seq, name);
}

int
entry_put_uint(struct entry_w *w, unsigned int key, uint64_t val)
{
	if (cbor_key(&w->c, key) == -1)
		return -1;
	return cbor_uint(&w->c, val);
}

int
entry_put_bytes(struct entry_w *w, unsigned int key, const void *src,
    size_t len)
{
	if (cbor_key(&w->c, key) == -1)
		return -1;
	return cbor_bytes(&w->c, src, len);
}

int
entry_put_text(struct entry_w *w, unsigned int key, const void *src,
    size_t len)
{
	if (cbor_key(&w->c, key) == -1)
		return -1;
	return cbor_text(&w->c, src, len);
}

int
entry_map(struct entry_w *w, unsigned int key)
{
	if (cbor_key(&w->c, key) == -1)
		return -1;
	return cbor_open(&w->c, CBOR_MAP);
}

int
entry_list(struct entry_w *w, unsigned int key)
{
	if (cbor_key(&w->c, key) == -1)
		return -1;
	return cbor_open(&w->c, CBOR_ARRAY);
}

int
entry_add_uint(struct entry_w *w, uint64_t val)
{
	return cbor_uint(&w->c, val);
}

int
entry_add_bytes(struct entry_w *w, const void *src, size_t len)
{
	return cbor_bytes(&w->c, src, len);
}

int
entry_add_text(struct entry_w *w, const void *src, size_t len)
{
	return cbor_text(&w->c, src, len);
}

int
entry_add_pair(struct entry_w *w, const void *src, size_t len, uint64_t val)
{
	cbor_open(&w->c, CBOR_ARRAY);
	cbor_text(&w->c, src, len);
	cbor_uint(&w->c, val);
	return cbor_close(&w->c);
}

int
entry_add_hit(struct entry_w *w, const void *class, size_t len, uint64_t val,
    const void *action, size_t actionlen)
{
	cbor_open(&w->c, CBOR_ARRAY);
	cbor_text(&w->c, class, len);
	cbor_uint(&w->c, val);
	cbor_text(&w->c, action, actionlen);
	return cbor_close(&w->c);
}

int
entry_close(struct entry_w *w)
{
	return cbor_close(&w->c);
}

ssize_t
entry_end(struct entry_w *w)
{
	struct entry	 e;
	ssize_t		 len;

	cbor_close(&w->c);
	len = cbor_done(&w->c);
	if (len == -1)
		return -1;
	if (entry_parse(w->c.buf, (size_t)len, &e, NULL) == -1)
		return -1;
	return len;
}

/* --- reader ---------------------------------------------------------- */

/* Items of the tuples in lists. */
static const enum cbor_type tuple[] = { CBOR_TEXT, CBOR_UINT, CBOR_TEXT };

static int
list_item(struct cbor_r *r, const struct entry_field *f)
{
	struct cbor_item	 it;
	uint64_t		 i;

	if (cbor_next(r, &it) == -1)
		return -1;
	switch (f->kind) {
	case EF_TEXTS:
		return it.type == CBOR_TEXT && it.val >= 1 &&
		    it.val <= f->max ? 0 : -1;
	case EF_HASHES:
		return it.type == CBOR_BYTES && it.val == 32 ? 0 : -1;
	default:
		break;
	}
	if (it.type != CBOR_ARRAY || it.val != (f->kind == EF_HITS ? 3 : 2))
		return -1;
	for (i = 0; i < (f->kind == EF_HITS ? 3 : 2); i++) {
		if (cbor_next(r, &it) == -1 || it.type != tuple[i] ||
		    (it.type == CBOR_TEXT && it.val > f->max))
			return -1;
	}
	return 0;
}

static int
list(struct cbor_r *r, const struct entry_field *f, uint64_t n)
{
	uint64_t	 i;

	if (f->kind == EF_HASHES && n > f->max)
		return -1;
	for (i = 0; i < n; i++)
		if (list_item(r, f) == -1)
			return -1;
	return 0;
}

static int	map(struct cbor_r *, const struct entry_field *, uint64_t,
		    struct entry *);

/* The value of one field against its row. */
static int
value(struct cbor_r *r, const struct entry_field *f, struct entry *e)
{
	struct cbor_item	 it;

	if (cbor_next(r, &it) == -1)
		return -1;
	/* a reference points back, so that following one always ends */
	if (it.type == CBOR_UINT &&
	    (f->kind == EF_BYTES_REF || f->kind == EF_MAP_REF))
		return it.val < e->seq ? 0 : -1;
	switch (f->kind) {
	case EF_UINT:
		return it.type == CBOR_UINT && it.val >= f->min &&
		    it.val <= f->max ? 0 : -1;
	case EF_BYTES:
	case EF_BYTES_REF:
		return it.type == CBOR_BYTES && it.val >= f->min &&
		    it.val <= f->max ? 0 : -1;
	case EF_TEXT:
		return it.type == CBOR_TEXT && it.val >= f->min &&
		    it.val <= f->max ? 0 : -1;
	case EF_MAP:
	case EF_MAP_REF:
		return it.type == CBOR_MAP ? map(r, f, it.val, e) : -1;
	case EF_TEXTS:
	case EF_HASHES:
	case EF_PAIRS:
	case EF_HITS:
		return it.type == CBOR_ARRAY ? list(r, f, it.val) : -1;
	case EF_NONE:
		break;
	}
	return -1;
}

/* Next key of a map, which must be above the last; -1 if it is not. */
static int
key(struct cbor_r *r, uint64_t i, uint64_t *last)
{
	struct cbor_item	 it;

	if (cbor_next(r, &it) == -1 || it.type != CBOR_UINT ||
	    (i > 0 && it.val <= *last))
		return -1;
	*last = it.val;
	return 0;
}

static int
map(struct cbor_r *r, const struct entry_field *f, uint64_t n,
    struct entry *e)
{
	uint64_t	 i, k;

	k = 0;
	for (i = 0; i < n; i++) {
		if (key(r, i, &k) == -1)
			return -1;
		if (k >= ENTRY_CRITICAL) {
			e->ignored++;
			if (cbor_skip(r, 2) == -1)
				return -1;
			continue;
		}
		if (k >= f->nsub || f->sub[k].kind == EF_NONE ||
		    value(r, &f->sub[k], e) == -1)
			return -1;
	}
	return 0;
}

/* Letters of a type's name. */
static int
type_ok(const char *s, size_t len)
{
	size_t	 i;

	for (i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || s[i] == '.' ||
		    s[i] == '-'))
			return 0;
	return len > 0 && s[0] >= 'a';
}

/* What other code wants of every entry, once all fields are known good. */
static int
digest(struct entry *e, const char **why)
{
	uint64_t	 needs;
	size_t		 len;
	unsigned int	 k;

	*why = "a field of every entry is missing";
	if (entry_get_text(e, EK_TYPE, &e->name, &e->namelen) == -1 ||
	    entry_get_uint(e, EK_WALL, &e->wall) == -1 ||
	    entry_get_uint(e, EK_EPOCH, &e->epoch) == -1 ||
	    entry_get_bytes(e, EK_PREV, &e->prev, &len) == -1 ||
	    entry_get_bytes(e, EK_ORIGIN, &e->origin, &len) == -1)
		return -1;
	*why = "not a name of a type";
	if (!type_ok(e->name, e->namelen))
		return -1;
	e->type = entry_type_find(e->name, e->namelen);
	needs = entry_type_needs(e->type);
	*why = "a field that this type demands is missing";
	for (k = 0; k < EK_COUNT; k++)
		if ((needs >> k & 1) != 0 && e->at[k] == 0)
			return -1;
	return 0;
}

/* All pairs of the outer map. */
static int
pairs(struct entry *e, struct cbor_r *r, uint64_t n, const char **why)
{
	const struct entry_field	*f;
	uint64_t			 i, k;

	k = 0;
	for (i = 0; i < n; i++) {
		*why = "keys out of order or not shortest";
		if (key(r, i, &k) == -1)
			return -1;
		if (k >= ENTRY_CRITICAL) {
			*why = "a field that would be ignored is not AE1";
			e->ignored++;
			if (cbor_skip(r, 1) == -1)
				return -1;
			continue;
		}
		*why = "unknown critical field";
		f = entry_field((unsigned int)k, -1);
		if (f == NULL)
			return -1;
		e->at[k] = (uint16_t)r->off;
		*why = "a field is not what its row allows";
		if (value(r, f, e) == -1)
			return -1;
		if (k == EK_SEQ && entry_get_uint(e, EK_SEQ, &e->seq) == -1)
			return -1;
	}
	*why = "bytes after the entry";
	return r->off == r->len ? 0 : -1;
}

int
entry_parse(const void *buf, size_t len, struct entry *e, const char **why)
{
	struct cbor_r	 r;
	struct cbor_item it;
	const char	*dummy;

	if (why == NULL)
		why = &dummy;
	memset(e, 0, sizeof(*e));
	e->buf = buf;
	e->len = len;
	r.buf = buf;
	r.len = len;
	r.off = 0;
	*why = "not a map of at most 65535 bytes";
	if (len > ENTRY_MAX || cbor_next(&r, &it) == -1 ||
	    it.type != CBOR_MAP || pairs(e, &r, it.val, why) == -1 ||
	    digest(e, why) == -1) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

int
entry_at(const struct entry *e, unsigned int k, int sub, struct cbor_r *r)
{
	struct cbor_item	 it;
	uint64_t		 i, n;

	r->buf = e->buf;
	r->len = e->len;
	if (k >= EK_COUNT || e->at[k] == 0)
		goto absent;
	r->off = e->at[k];
	if (sub < 0)
		return 0;
	if (cbor_next(r, &it) == -1 || it.type != CBOR_MAP)
		goto absent;
	n = it.val;
	for (i = 0; i < n; i++) {
		if (cbor_next(r, &it) == -1)
			goto absent;
		if (it.val == (uint64_t)sub)
			return 0;
		if (cbor_skip(r, 2) == -1)
			goto absent;
	}
absent:
	errno = ENOENT;
	return -1;
}

/* The item of a field, if it has this type. */
static int
get(const struct entry *e, unsigned int k, int sub, enum cbor_type type,
    struct cbor_item *it)
{
	struct cbor_r	 r;

	if (entry_at(e, k, sub, &r) == -1)
		return -1;
	if (cbor_next(&r, it) == -1 || it->type != type) {
		errno = ENOENT;
		return -1;
	}
	return 0;
}

static int
get_uint(const struct entry *e, unsigned int k, int sub, uint64_t *val)
{
	struct cbor_item	 it;

	if (get(e, k, sub, CBOR_UINT, &it) == -1)
		return -1;
	*val = it.val;
	return 0;
}

static int
get_bytes(const struct entry *e, unsigned int k, int sub, const uint8_t **p,
    size_t *len)
{
	struct cbor_item	 it;

	if (get(e, k, sub, CBOR_BYTES, &it) == -1)
		return -1;
	*p = it.data;
	*len = (size_t)it.val;
	return 0;
}

static int
get_text(const struct entry *e, unsigned int k, int sub, const char **p,
    size_t *len)
{
	struct cbor_item	 it;

	if (get(e, k, sub, CBOR_TEXT, &it) == -1)
		return -1;
	*p = (const char *)it.data;
	*len = (size_t)it.val;
	return 0;
}

int
entry_get_uint(const struct entry *e, unsigned int k, uint64_t *val)
{
	return get_uint(e, k, -1, val);
}

int
entry_get_bytes(const struct entry *e, unsigned int k, const uint8_t **p,
    size_t *len)
{
	return get_bytes(e, k, -1, p, len);
}

int
entry_get_text(const struct entry *e, unsigned int k, const char **p,
    size_t *len)
{
	return get_text(e, k, -1, p, len);
}

int
entry_sub_uint(const struct entry *e, unsigned int k, unsigned int sub,
    uint64_t *val)
{
	return get_uint(e, k, (int)sub, val);
}

int
entry_sub_bytes(const struct entry *e, unsigned int k, unsigned int sub,
    const uint8_t **p, size_t *len)
{
	return get_bytes(e, k, (int)sub, p, len);
}

int
entry_sub_text(const struct entry *e, unsigned int k, unsigned int sub,
    const char **p, size_t *len)
{
	return get_text(e, k, (int)sub, p, len);
}
