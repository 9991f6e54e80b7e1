/* SPDX-License-Identifier: ISC */
#ifndef COMMON_POLICY_POLICY_H
#define COMMON_POLICY_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/proto.h"

/*
 * Read-only view of the compiled policy: one flat, offset-only, bounded blob in
 * a sealed memfd, compiled by the keybrokerd parent; its SHA-256 is the policy
 * id.  Every offset and count is checked once by policy_open; afterwards the
 * accessors cannot fail.  Layout (big-endian u32 unless said):
 *	"TPB1", version 1, total length, then per section {offset, count}:
 *	providers, models, routes, steps (empty for now), strings {offset, bytes};
 *	the sections follow in this order without a gap, the first string is empty
 *	provider row 48 bytes: u16 id, u8 dialect, u8 scheme, u8 auth,
 *	 u8 insecure, u16 port, str name, str host, str base path, str key source
 *	 name, str proxy host, u16 proxy port, u8 form (enum policy_form), u8
 *	 zero, str query that each request gets, str region (SigV4), raw[8] zero
 *	 (str = u32 offset in strings; strings are NUL-terminated)
 *	model row 16 bytes: str pattern, u16 provider, u8 concrete (no wildcard),
 *	 u8 zero, u64 created (Unix s, 0 unknown)
 *	route row 16 bytes: u16 route, u8 dialect, u8 kind, str path, u64 zero
 */
/* How a provider's paths are made of its base and a route (policy_path). */
enum policy_form {
	FORM_V1,		/* base without /v1, and the route's path */
	FORM_BARE,		/* the base stands for /v1 */
	FORM_DEPLOYMENT,	/* as BARE, with /deployments/MODEL between */
	FORM_MAX
};

struct policy_provider {
	uint16_t	 id;
	uint8_t		 dialect, scheme, auth, insecure;
	uint16_t	 port, proxy_port;
	const char	*name, *host, *base, *key, *proxy, *query, *region;
	uint8_t		 form;
};

struct policy_model {
	const char	*pattern;
	uint16_t	 provider;
	int		 concrete;
	uint64_t	 created;
};

struct policy_route {
	uint16_t	 route;
	uint8_t		 dialect, kind;
	const char	*path;
};

struct policy;

/* A checked view of buf (kept by the caller, or mapped by policy_map).  NULL
 * with errno EINVAL if any byte of the structure is out of bounds. */
struct policy	*policy_open(const uint8_t *buf, size_t len);
struct policy	*policy_map(int fd);	/* mmap read-only, at most 1 MiB */
void		 policy_close(struct policy *);
const uint8_t	*policy_bytes(const struct policy *, size_t *len);

size_t	 policy_nproviders(const struct policy *);
void	 policy_provider(const struct policy *, size_t, struct policy_provider *);
/* 0 and filled, or -1. */
int	 policy_provider_id(const struct policy *, uint16_t,
	    struct policy_provider *);
int	 policy_provider_name(const struct policy *, const char *, size_t len,
	    struct policy_provider *);
size_t	 policy_nmodels(const struct policy *);
void	 policy_model(const struct policy *, size_t, struct policy_model *);
/* First row whose pattern matches (fnmatch subset: * ? [...]); -1 none. */
int	 policy_model_match(const struct policy *, const char *, size_t len,
	    struct policy_model *);
size_t	 policy_nroutes(const struct policy *);
void	 policy_route(const struct policy *, size_t, struct policy_route *);
int	 policy_route_id(const struct policy *, uint16_t, struct policy_route *);
/*
 * Decisions M7: what the provider gets as path for a route: base path (without
 * trailing slash; a trailing "/v1" of it is taken off) + route path.  -1 if it
 * does not fit.  Used by worker (to ask) and broker (to decide).  model: for
 * FORM_DEPLOYMENT, its characters [A-Za-z0-9._-], else -1; NULL or "": none (a
 * list of models).
 */
int	 policy_path(const struct policy_provider *, const struct policy_route *,
	    const char *model, char *out, size_t size);
/*
 * Puts the provider's own query in front of what stands in q (size bytes).  0,
 * or -1: it does not fit, q is unchanged.
 */
int	 policy_query(const struct policy_provider *, char *q, size_t size);

/* ---- compiling (keybrokerd parent; tests) ---------------------------------- */
struct policy_w;
struct policy_w	*policy_w_new(void);
void	 policy_w_free(struct policy_w *);
int	 policy_w_provider(struct policy_w *, const struct policy_provider *);
int	 policy_w_model(struct policy_w *, const struct policy_model *);
int	 policy_w_route(struct policy_w *, const struct policy_route *);
/* malloc'ed blob of *len bytes, the caller frees; NULL with errno. */
uint8_t	*policy_w_blob(struct policy_w *, size_t *len);

/* The routes of the data path; numbers are frozen. */
enum policy_routes { ROUTE_CHAT = 1, ROUTE_COMPLETIONS, ROUTE_EMBEDDINGS,
	ROUTE_RESPONSES, ROUTE_MESSAGES, ROUTE_COUNT_TOKENS, ROUTE_MODELS,
	ROUTE_MODEL };

#endif
