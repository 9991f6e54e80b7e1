/* SPDX-License-Identifier: ISC */
/*
 * How an operation of administration looks from outside: which arguments a
 * route takes, and how the broker's rows become JSON.  Tables and pure
 * functions; the rights are the broker's.
 */
#ifndef PROXYD_WORKER_VIEW_H
#define PROXYD_WORKER_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "common/http/target.h"
#include "common/ipc/proto.h"

struct wbuf;

#define VIEW_FIELDS	17		/* strings in a row */
#define VIEW_LIMIT	100		/* rows, if nobody says */
#define VIEW_LIMIT_MAX	5000

/* One row a look; route.c names them. */
enum view_no {
	VIEW_NONE, VIEW_ME, VIEW_CONFIG, VIEW_PROVIDERS, VIEW_MODELS,
	VIEW_AGENT_MAKE, VIEW_AGENT_REGISTER, VIEW_AGENT_ONBOARD,
	VIEW_AGENTS, VIEW_AGENT, VIEW_AGENT_DELETE,
	VIEW_KEY_MAKE, VIEW_KEYS, VIEW_KEY_REVOKE, VIEW_KEY_ROTATE,
	VIEW_AUDIT, VIEW_AUDIT_TAIL, VIEW_AUDIT_VERIFY,
	VIEW_OVERVIEW, VIEW_METRICS, VIEW_LLM_KEYS, VIEW_LLM_REFUSED,
	VIEW_VAULT_ROTATE, VIEW_AGENT_EDIT, VIEW_AGENT_SUSPEND,
	VIEW_AGENT_RESUME,
	VIEW_MAX
};

/* What stands around the rows. */
enum view_list {
	VL_ONE,			/* one object */
	VL_PAGE,		/* {"data":[...],"page":{...}} */
	VL_ARRAY,		/* [...] */
	VL_PROVIDERS,		/* {"providers":[...],"supported": and names */
	VL_TEXT,		/* lines of text as they come */
	VL_FIXED,		/* a constant, once the caller is known */
	VL_TAIL			/* events */
};

enum view_as { VA_TEXT, VA_NULL, VA_BOOL, VA_NUMBER, VA_SCOPE, VA_CONST };

/* "a.b": member b of the object a; columns of one object stand together. */
struct view_col {
	const char	*name;
	enum view_as	 as;
	uint8_t		 field;		/* of the row */
	const char	*text;		/* VA_CONST: JSON */
};

struct view {
	enum view_list	 list;
	uint16_t	 status;
	const struct view_col *cols;
	size_t		 ncols;
	const char	*fixed;		/* VL_FIXED */
	const struct target_query *query;
	size_t		 nquery;
};

/* Arguments of a query; 0 and "" if they are not there. */
struct view_args {
	char		 q[TARGET_ID_MAX + 1];	/* or agent_id */
	char		 type[65], action[33];
	char		 session[SESSION_MAX + 1];
	int		 task;		/* one is named */
	uint64_t	 limit, cursor;
	uint64_t	 since;		/* wall ms */
	uint64_t	 from;		/* tail: next index */
};

const struct view *view_row(enum view_no);
/*
 * Values of view->query, as target_read left them, into args.  now: wall ms.
 * 0, or -1 with the sentence.
 */
int	 view_query(enum view_no, const uint8_t *target,
	    const struct target_value *, uint64_t now, struct view_args *,
	    const char **why);
/* The row's object; f has n strings. */
void	 view_object(const struct view *, const char *const *f, size_t n,
	    struct wbuf *);
/* Bytes before and after the rows; page: cursor and total, or NULL. */
void	 view_open(const struct view *, struct wbuf *);
void	 view_close(const struct view *, size_t rows, const char *cursor,
	    const char *total, struct wbuf *);

#endif
