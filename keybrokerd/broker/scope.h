/* SPDX-License-Identifier: ISC */
/*
 * The scope of a key or an agent: what calls it may make.  A text of up to
 * four parts, one blank between them, in this order:
 *
 *	p=openai,anthropic m=gpt-4o*,claude-* k=generate,embed n=10.0.0.0/8,::1
 *
 * providers, patterns of models ('*' stands for any run of characters), kinds
 * of call, networks of the client.  A part that is not there limits nothing;
 * the empty text limits nothing at all.  Pure; knows neither keys nor calls.
 */
#ifndef KEYBROKERD_BROKER_SCOPE_H
#define KEYBROKERD_BROKER_SCOPE_H

#define SCOPE_MAX	512		/* characters, without the NUL */

enum scope_verdict {
	SCOPE_OK, SCOPE_PROVIDER, SCOPE_MODEL, SCOPE_KIND, SCOPE_SOURCE
};

/* What is asked; NULL: not known yet, so not judged. */
struct scope_facts {
	const char	*provider, *model, *kind, *source;
};

/* Is the text well formed?  0, or -1 with *why, a constant sentence. */
int	 scope_text(const char *, const char **why);
/* A well-formed scope; the first part that objects. */
enum scope_verdict scope_judge(const char *, const struct scope_facts *);
/* "provider", "model", "kind of call", "source network". */
const char *scope_noun(enum scope_verdict);

#endif
