/* SPDX-License-Identifier: ISC */
/*
 * Bodies of administrative requests, by jansson.  A header of its own, because
 * jansson and common/json share names.
 */
#ifndef PROXYD_WORKER_CJSON_H
#define PROXYD_WORKER_CJSON_H

#include <stddef.h>

#define CJSON_TEXT	256

enum cjson_kind { CJSON_AGENT, CJSON_KEY };

struct cjson {
	char	 agent[CJSON_TEXT + 1];
	char	 description[CJSON_TEXT + 1];
	char	 email[CJSON_TEXT + 1];
	char	 name[CJSON_TEXT + 1];
	int	 days;			/* 0: absent */
};

/* Before the sandbox: jansson seeds its tables from a file. */
void	cjson_init(void);
/* 0, or -1 with one sentence in why. */
int	cjson_read(enum cjson_kind, const void *, size_t, struct cjson *,
	    char *why, size_t size);

#endif
