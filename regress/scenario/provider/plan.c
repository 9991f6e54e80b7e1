/* SPDX-License-Identifier: ISC */

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

/* A new last step; valid until the next one. */
struct step *
plan_step(struct plan *p, unsigned delay)
{
	struct step *s;

	p->s = reallocarray(p->s, p->n + 1, sizeof(*p->s));
	if (p->s == NULL)
		err(1, NULL);
	s = &p->s[p->n++];
	memset(s, 0, sizeof(*s));
	s->delay = delay;
	return s;
}

void
plan_act(struct plan *p, unsigned delay, enum act act)
{
	struct step *s;

	s = plan_step(p, delay);
	s->act = act;
}

void
plan_free(struct plan *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		buf_free(&p->s[i].out);
	free(p->s);
	p->s = NULL;
	p->n = 0;
}
