/* SPDX-License-Identifier: ISC */
/*
 * Who may send what: the rows of proto.h as data.  Pure; a receiver asks here
 * before it looks at a payload.
 */
#include <stdlib.h>

#include "common/ipc/msg.h"
#include "common/ipc/permit.h"

/* Ascending by number, which a test checks, since bsearch needs it. */
const struct permit	permit_rows[] = {
#define X(name, num, link, dir, class, max, fd)				\
	{ #name, num, PL_##link, PD_##dir, PC_##class, max, fd },
	PROTO_TABLE(X)
#undef X
};
const size_t		permit_count = sizeof(permit_rows) /
			    sizeof(permit_rows[0]);

static int
compare(const void *key, const void *row)
{
	const uint16_t		*type;
	const struct permit	*p;

	type = key;
	p = row;
	return (int)*type - (int)p->type;
}

/* See permit.h. */
const struct permit *
permit_find(uint16_t type)
{
	return bsearch(&type, permit_rows, permit_count, sizeof(permit_rows[0]),
	    compare);
}

/* For logs and errors. */
const char *
permit_name(uint16_t type)
{
	const struct permit	*p;

	p = permit_find(type);
	return p == NULL ? "?" : p->name;
}

/*
 * The control socket speaks its own rows and the administration rows of a
 * worker link; its client gets ANSWER and ERROR.
 */
static int
on_ctl(const struct permit *p)
{
	return p->link == PL_WB && (p->class == PC_A || p->type == M_ANSWER ||
	    p->type == M_ERROR);
}

/* See permit.h. */
int
permit_check(uint16_t type, enum proto_link link, enum proto_dir dir, int admin,
    size_t len, int hasfd)
{
	const struct permit	*p;

	p = permit_find(type);
	if (p == NULL || p->dir != dir || len > p->max || (hasfd && !p->fd))
		return -1;
	if (p->link != link && (link != PL_CTL || !on_ctl(p)))
		return -1;
	if (link == PL_WB && p->class == PC_A && !admin)
		return -1;
	return 0;
}
