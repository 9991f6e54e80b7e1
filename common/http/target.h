/* SPDX-License-Identifier: ISC */

/*
 * Targets of requests.  A path is compared with the route table as it stands:
 * there is no decoding and no normalisation, so whatever would need either is
 * refused.  Of a query only the names that a route knows are read, each as a
 * typed value; the bytes themselves are never sent on.  Pure functions.
 */

#ifndef COMMON_HTTP_TARGET_H
#define COMMON_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_ID_MAX		128	/* bytes of an id in path or query */
#define TARGET_QUERY_MAX	16	/* names that one route may know */

enum target_class {
	TARGET_TRUE,		/* "true", nothing else; the only class that
				   goes on to the provider */
	TARGET_UINT,		/* 1 to 9 digits */
	TARGET_FLOAT,		/* 1 to 9 digits, maybe a point and 1 to 9 */
	TARGET_ID,		/* 1 to TARGET_ID_MAX of A-Z a-z 0-9 . _ - */
	TARGET_TEXT		/* 0 to TARGET_ID_MAX bytes as they stand; whoever
				   reads them resolves the escapes */
};

/* One name that a route knows. */
struct target_query {
	const char		*name;
	enum target_class	 cls;
};

struct target_value {
	bool		 set;
	uint64_t	 number;	/* UINT; FLOAT in thousandths, rounded
					   down; TRUE: 1 */
	uint32_t	 off;		/* the value's bytes in the target */
	uint32_t	 len;
};

struct target {
	uint32_t	 path_off;	/* always 0 */
	uint32_t	 path_len;
	uint32_t	 query_off;	/* after the question mark */
	uint32_t	 query_len;
	const char	*reason;	/* why it was refused; static */
};

/*
 * Splits a target of `len` bytes.  Returns 0, or -1 with a reason (answer 400):
 * path does not begin with "/" or has an empty, "." or ".." segment or a byte
 * other than unreserved (RFC 3986 2.3), ":" and "/"; query has a byte that is
 * not one of a URI or a broken percent escape.  A final "/" is kept; no route
 * but "/" has one.
 */
int	target_split(const uint8_t *t, size_t len, struct target *);

/*
 * True if the path equals `pattern`, of which one "{id}" stands for a segment
 * and a final "{rest}" for everything up to the end, slashes included; both
 * for 1 to TARGET_ID_MAX bytes, whose place goes to *off and *len (0 if there
 * is none; either pointer may be NULL).
 */
bool	target_match(const uint8_t *t, const struct target *,
	    const char *pattern, uint32_t *off, uint32_t *len);

/*
 * Reads the query against the `n` names a route knows (at most
 * TARGET_QUERY_MAX); values[i] belongs to names[i].  Unknown names are
 * skipped.  Returns 0, or -1 with target->reason (answer 400) if a known name
 * stands twice or its value is not of its class.
 */
int	target_read(const uint8_t *t, struct target *,
	    const struct target_query *names, size_t n,
	    struct target_value *values);

/*
 * Writes the query that goes on to the provider, "beta=true" or nothing, with
 * a NUL, in the order of the table.  Returns its length, or -1 if `size` is
 * too small.
 */
int	target_write(const struct target_query *names, size_t n,
	    const struct target_value *values, char *out, size_t size);

#endif /* COMMON_HTTP_TARGET_H */
