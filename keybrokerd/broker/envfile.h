/* SPDX-License-Identifier: ISC */
/*
 * One line of a .env file, decoded in place.  Nothing is expanded, nothing is
 * kept; the caller owns (and wipes) the line.
 */
#ifndef KEYBROKERD_BROKER_ENVFILE_H
#define KEYBROKERD_BROKER_ENVFILE_H

#include <stddef.h>

struct envfile_line {
	const char	*name;		/* in the line; NULL: nothing on it */
	size_t		 namelen;
	const char	*value;		/* in the line, decoded, no NUL */
	size_t		 len;
};

/*
 * line[0..len) without its newline.  NULL and *out filled, or what is wrong, a
 * constant text.  The line is changed.  Names: [A-Za-z_][A-Za-z0-9_]*, shorter
 * than max.
 */
const char	*envfile_parse(char *line, size_t len, size_t max,
		    struct envfile_line *out);

#endif
