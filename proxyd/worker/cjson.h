/* SPDX-License-Identifier: ISC */
/*
 * Bodies of administrative requests, by jansson.  A header of its own, because
 * jansson and common/json share names.
 */
#ifndef PROXYD_WORKER_CJSON_H
#define PROXYD_WORKER_CJSON_H

#include <stddef.h>

#define CJSON_TEXT	256
#define CJSON_SCOPE	512
#define CJSON_GRACE	86400		/* seconds, if nobody says */
#define CJSON_DAYS	365		/* of an agent key, if nobody says */

enum cjson_kind { CJSON_NONE, CJSON_AGENT, CJSON_REGISTER, CJSON_ONBOARD,
	CJSON_KEY, CJSON_ROTATE, CJSON_EDIT, CJSON_MAX };

struct cjson {
	char	 agent[CJSON_TEXT + 1];
	char	 description[CJSON_TEXT + 1];
	char	 owner[CJSON_TEXT + 1];
	char	 framework[CJSON_TEXT + 1];
	char	 email[CJSON_TEXT + 1];
	char	 name[CJSON_TEXT + 1];
	char	 role[CJSON_TEXT + 1];
	char	 ignored[CJSON_TEXT + 1];
	char	 scope[CJSON_SCOPE + 1];	/* the broker's scope.h */
	long	 days;			/* 0: absent */
	long	 grace;
	int	 suspended;
	unsigned int given;		/* EDIT: bits of AGENT_EDIT */
};

/* Before the sandbox: jansson seeds its tables from a file. */
void	cjson_init(void);
/* 0, or -1 with one sentence in why. */
int	cjson_read(enum cjson_kind, const void *, size_t, struct cjson *,
	    char *why, size_t size);

#endif
