/* SPDX-License-Identifier: ISC */
/*
 * The lexer, driven as the grammars do it: macros are set and used; it ends,
 * and each token has its form.  Files are not opened.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/conf/conf.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct conf_keyword	keywords[] = {
	{ "key", 300 },
	{ "listen", 301 },
	{ "provider", 302 }
};

static void
run(struct conf *c)
{
	char	*s, name[128];
	int64_t	 num;
	int	 eq, t;
	size_t	 tokens;

	name[0] = '\0';
	eq = 0;
	tokens = 0;
	while ((t = conf_lex(c, keywords, nitems(keywords), 400, 401, &s,
	    &num)) != 0) {
		if (tokens++ > 64 * 1024 * 1024)
			abort();
		if (t == 400) {
			if (strlen(s) >= 8192)
				abort();
			if (eq && conf_errors(c) < 8)
				conf_macro(c, name, s);
			strlcpy(name, s, sizeof(name));
			free(s);
		} else if (t != '\n' && t != CONF_ERROR && t < 300 &&
		    t <= 0x20)
			abort();
		eq = t == '=';
		if (t == CONF_ERROR && conf_errors(c) > 8)
			return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf	*c;
	char		*text;

	if (size > 20000)
		return 0;
	text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	c = conf_open("/dev/fuzz", text);
	if (c != NULL)
		run(c);
	conf_close(c);
	free(text);
	return 0;
}
