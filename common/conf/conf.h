/* SPDX-License-Identifier: ISC */
#ifndef COMMON_CONF_CONF_H
#define COMMON_CONF_CONF_H

#include <stddef.h>
#include <stdint.h>

/*
 * The lexer under both grammars: words, "quoted strings" with \" and \\,
 * numbers, macros ($name, name = "value"), include "file" (depth 8), comments
 * (#), line continuation (\).  Files are read whole, at most 256 KiB each,
 * before parsing.  A macro or include that fails is an error with file:line.
 * $name is replaced by the macro's text, which is read as if it stood there.  A
 * word is a run of printable bytes other than space and { } ( ) , = < > ; " # $
 * and \; one made of digits only, with or without "-", is a number.  An include
 * is relative to the file that names it, and begins and ends with a newline.
 */
struct conf;

struct conf_keyword {		/* sorted by name */
	const char	*name;
	int		 token;
};

/* text != NULL: parse that text under the given name (compiled-in default). */
struct conf	*conf_open(const char *path, const char *text);
void		 conf_close(struct conf *);
/*
 * Next token for yylex: 0 at the end, '\n', a punctuation character, a keyword's
 * token, or string_token / number_token with *str (malloc'ed, the grammar frees)
 * or *num set.  CONF_ERROR: an error that was told already; no grammar has it.
 */
#define CONF_ERROR	1
int		 conf_lex(struct conf *, const struct conf_keyword *, size_t n,
		    int string_token, int number_token, char **str, int64_t *num);
/* Logs "file:line: text" to stderr and counts. */
void		 conf_error(struct conf *, const char *, ...)
		    __attribute__((format(printf, 2, 3)));
int		 conf_errors(const struct conf *);
int		 conf_macro(struct conf *, const char *name, const char *value);
int		 conf_include(struct conf *, const char *path);
/* All bytes read so far, include files too, hashed by the caller. */
void		 conf_hash(struct conf *, void (*fn)(void *, const void *, size_t),
		    void *);

#endif
