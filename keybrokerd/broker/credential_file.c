/* SPDX-License-Identifier: ISC */
/*
 * Files of variables (credential.h): read line by line into a stage, which
 * replaces the file's old set whole or not at all.  What the file said and does
 * not say any more is kept.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/credential_table.h"
#include "keybrokerd/broker/envfile.h"

void
credential_file_free(struct file *f)
{
	size_t	 i;

	if (f == NULL)
		return;
	for (i = 0; i < f->nslots; i++)
		secret_free(&f->slot[i]);
	free(f);
}

int
credential_file_begin(struct creds *c, const char *path)
{
	return credential_file_open(c, SRC_ENVFILE, path);
}

int
credential_file_open(struct creds *c, enum proto_source kind,
    const char *path)
{
	credential_file_free(c->stage);
	c->err[0] = '\0';
	c->linelen = c->bytes = 0;
	c->lineno = 1;
	c->stage = calloc(1, sizeof(*c->stage));
	if (c->line == NULL)
		c->line = secret_new(SECRET_MAX);
	if (c->stage == NULL || c->line == NULL) {
		credential_file_free(c->stage);
		c->stage = NULL;
		secret_free(&c->line);
		errno = ENOMEM;
		return -1;
	}
	c->stage->kind = (uint8_t)kind;
	strlcpy(c->stage->path, path, sizeof(c->stage->path));
	return 0;
}

/* The first error of a file is the one that is told. */
static void
file_error(struct creds *c, const char *why)
{
	if (c->err[0] == '\0')
		snprintf(c->err, sizeof(c->err), "%.160s:%u: %s",
		    c->stage->path, c->lineno, why);
}

/* Copies a value behind the others; 0, or -1: no slot. */
static int
file_pack(struct file *f, struct value *v, const char *p, size_t len)
{
	if (f->nslots == 0 || f->fill + len > SECRET_MAX) {
		if (f->nslots == FILE_SLOTS)
			return -1;
		f->slot[f->nslots] = secret_new(SECRET_MAX);
		if (f->slot[f->nslots] == NULL)
			return -1;
		f->nslots++;
		f->fill = 0;
	}
	v->slot = f->slot[f->nslots - 1];
	v->off = (uint16_t)f->fill;
	v->len = (uint16_t)len;
	memcpy(secret_bytes(v->slot) + f->fill, p, len);
	f->fill += len;
	return 0;
}

struct value *
credential_file_value(const struct file *f, const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < f->n; i++)
		if (strncmp(f->value[i].name, name, len) == 0 &&
		    f->value[i].name[len] == '\0')
			return (struct value *)(uintptr_t)&f->value[i];
	return NULL;
}

/* The line in c->line is complete. */
static void
file_line(struct creds *c)
{
	struct envfile_line	 l;
	struct value		*v;
	const char		*why;

	why = envfile_parse((char *)secret_bytes(c->line), c->linelen,
	    CREDENTIAL_NAME, &l);
	if (why != NULL) {
		file_error(c, why);
		return;
	}
	if (l.name == NULL)
		return;
	v = credential_file_value(c->stage, l.name, l.namelen);
	if (v == NULL) {
		if (c->stage->n == CREDENTIAL_VARS) {
			file_error(c, "more than 256 variables");
			return;
		}
		v = &c->stage->value[c->stage->n++];
		memcpy(v->name, l.name, l.namelen);
	}
	/* A second line for the same name wins, as in a shell. */
	v->slot = NULL;
	v->off = v->len = 0;
	v->since = c->wall;
	v->bad = (uint8_t)credential_bad((const uint8_t *)l.value, l.len);
	if (!v->bad && l.len > 0 &&
	    file_pack(c->stage, v, l.value, l.len) == -1)
		file_error(c, "no room for so many secrets");
}

void
credential_file_feed(struct creds *c, const void *buf, size_t len)
{
	const uint8_t	*p = buf;
	size_t		 i;

	if (c->stage == NULL)
		return;
	for (i = 0; i < len && c->err[0] == '\0'; i++) {
		if (++c->bytes > CREDENTIAL_FILE)
			file_error(c, "the file is longer than 64 KiB");
		else if (p[i] == '\n') {
			file_line(c);
			c->linelen = 0;
			c->lineno++;
		} else if (c->linelen == SECRET_MAX)
			file_error(c, "the line is too long");
		else
			secret_bytes(c->line)[c->linelen++] = p[i];
	}
}

static size_t
file_slot(const struct creds *c, const char *path)
{
	size_t	 i;

	for (i = 0; i < c->nfiles; i++)
		if (strcmp(c->file[i]->path, path) == 0)
			break;
	return i;
}

/*
 * What the file said before and does not say now is kept: it may be half of a
 * file.  Equal values keep their age.
 */
static void
file_keep(struct creds *c, const struct file *old)
{
	const struct value	*o;
	struct value		*v;
	const char		*p;
	size_t			 i;

	for (i = 0; i < old->n; i++) {
		o = &old->value[i];
		if (credential_value(o) != CRED_OK)
			continue;
		p = (const char *)secret_bytes(o->slot) + o->off;
		v = credential_file_value(c->stage, o->name, strlen(o->name));
		if (v != NULL && credential_value(v) == CRED_OK) {
			if (v->len == o->len && secret_equal(p,
			    secret_bytes(v->slot) + v->off, o->len))
				v->since = o->since;
			continue;
		}
		if (v == NULL && c->stage->n == CREDENTIAL_VARS) {
			file_error(c, "more than 256 variables");
			return;
		}
		if (v == NULL)
			v = &c->stage->value[c->stage->n++];
		*v = *o;
		v->kept = 1;
		if (file_pack(c->stage, v, p, o->len) == -1)
			file_error(c, "no room for so many secrets");
	}
}

/* Why a file that was taken is not whole; "" if it is. */
static void
file_kept(const struct file *f, char *err, size_t size)
{
	size_t	 i, n;

	for (i = n = 0; i < f->n; i++) {
		if (!f->value[i].kept)
			continue;
		if (n++ == 0)
			snprintf(err, size, "%.160s: it has no value for %.60s",
			    f->path, f->value[i].name);
	}
	if (n > 1)
		strlcat(err, " and others", size);
	if (n > 0)
		strlcat(err, " any more; the value in use stays", size);
}

int
credential_file_end(struct creds *c, char *err, size_t size)
{
	size_t	 i;

	err[0] = '\0';
	if (c->stage == NULL) {
		snprintf(err, size, "no file is being read");
		errno = EINVAL;
		return -1;
	}
	if (c->err[0] == '\0' && c->linelen > 0)
		file_line(c);
	secret_free(&c->line);
	i = file_slot(c, c->stage->path);
	if (c->err[0] == '\0' && i == FILES)
		file_error(c, "more than 16 files");
	if (c->err[0] == '\0' && i < c->nfiles)
		file_keep(c, c->file[i]);
	if (c->err[0] != '\0') {
		snprintf(err, size, "%s", c->err);
		credential_file_free(c->stage);
		c->stage = NULL;
		errno = EINVAL;
		return -1;
	}
	if (i == c->nfiles)
		c->nfiles++;
	else
		credential_file_free(c->file[i]);
	c->file[i] = c->stage;
	c->stage = NULL;
	c->version++;
	file_kept(c->file[i], err, size);
	if (c->bytes == 0 && c->file[i]->kind == SRC_EXPORT)
		snprintf(err, size, "%.160s: it is empty%s", c->file[i]->path,
		    c->file[i]->n > 0 ? "; the values in use stay" : "");
	return 0;
}

size_t
credential_drop_kept(struct creds *c, const char *name)
{
	struct value	*v;
	size_t		 i, n;

	for (i = n = 0; i < c->nfiles; i++) {
		v = credential_file_value(c->file[i], name, strlen(name));
		if (v == NULL || !v->kept)
			continue;
		secret_wipe(secret_bytes(v->slot) + v->off, v->len);
		v->slot = NULL;
		v->len = 0;
		v->kept = 0;
		n++;
	}
	n += credential_held_drop(c, name);
	if (n > 0)
		c->version++;
	return n;
}

void
credential_file_gone(struct creds *c, const char *path)
{
	size_t	 i;

	i = file_slot(c, path);
	if (i == c->nfiles)
		return;
	credential_file_free(c->file[i]);
	c->nfiles--;
	memmove(&c->file[i], &c->file[i + 1],
	    (c->nfiles - i) * sizeof(c->file[0]));
	c->version++;
}
