/* SPDX-License-Identifier: ISC */
/*
 * Tables for people, JSON lines (one object a row) for programs.  Text that came
 * from elsewhere is escaped, so that a terminal shows it and does not obey it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "proxyd/proxyctl/proxyctl.h"

#define CELL	64

struct table {
	const struct column	*col;
	size_t			 n, rows;
	int			 json;
	size_t			 width[CTL_FIELDS];
	char			*cells;		/* rows * n * CELL */
};

struct table *
print_new(const struct column *col, size_t n, int json)
{
	struct table	*t;
	size_t		 i;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->col = col;
	t->n = n;
	t->json = json;
	for (i = 0; i < n; i++)
		t->width[i] = strlen(col[i].title);
	return t;
}

/* What is no UTF-8 is shown with '?', since JSON cannot hold it. */
static json_t *
json_text(const char *text)
{
	json_t	*v;
	char	*copy;

	v = json_string(text);
	if (v != NULL || (copy = strdup(text)) == NULL)
		return v;
	show_mask(copy, '\0');
	v = json_string(copy);
	free(copy);
	return v;
}

static void
print_json(struct table *t, const struct answer *a)
{
	json_t	*o;
	char	*s;
	size_t	 i;

	o = json_object();
	for (i = 0; i < t->n && i < a->n; i++)
		json_object_set_new(o, t->col[i].json, json_text(a->f[i]));
	if ((s = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII)) != NULL)
		puts(s);
	free(s);
	json_decref(o);
}

void
print_row(struct table *t, const struct answer *a)
{
	char	*p, *cell;
	size_t	 i, len;

	if (t->json) {
		print_json(t, a);
		return;
	}
	p = reallocarray(t->cells, (t->rows + 1) * t->n, CELL);
	if (p == NULL)
		return;
	t->cells = p;
	for (i = 0; i < t->n; i++) {
		cell = t->cells + (t->rows * t->n + i) * CELL;
		strlcpy(cell, i < a->n && *a->f[i] != '\0' ? a->f[i] : "-",
		    CELL);
		show_mask(cell, '\0');
		len = strlen(cell);
		if (len > t->width[i])
			t->width[i] = len;
	}
	t->rows++;
}

void
print_tame(struct answer *a)
{
	size_t	 i;

	for (i = 0; i < a->n; i++)
		show_mask(a->f[i], '\0');
}

void
print_end(struct table *t)
{
	size_t	 i, r;

	if (t == NULL)
		return;
	if (!t->json) {
		for (i = 0; i < t->n; i++)
			printf("%-*s%s", i + 1 < t->n ? (int)t->width[i] : 0,
			    t->col[i].title, i + 1 < t->n ? "  " : "\n");
		for (r = 0; r < t->rows; r++)
			for (i = 0; i < t->n; i++)
				printf("%-*s%s", i + 1 < t->n ?
				    (int)t->width[i] : 0,
				    t->cells + (r * t->n + i) * CELL,
				    i + 1 < t->n ? "  " : "\n");
	}
	free(t->cells);
	free(t);
}
