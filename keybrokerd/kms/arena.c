/* SPDX-License-Identifier: ISC */

/*
 * All bytes of an exchange that may be secret, in one locked, guarded mapping:
 * variables, files, requests, answers, parsed JSON.  It only grows; the role
 * ends with its one exchange and wipes it whole.  A struct secret holds 4,064
 * bytes, less than a service account's file or an answer; hence this.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <sodium.h>

#include "keybrokerd/kms/kms.h"

#define ARENA		(3 * 1024 * 1024)
#define ALIGN(n)	(((n) + 15) & ~(size_t)15)
#define HEAD		16		/* size of a block of the libraries */

static uint8_t	*base;
static size_t	 used;

void *
arena_new(size_t n)
{
	void	*p;

	if (base == NULL || n > ARENA || ALIGN(n) > ARENA - used)
		return NULL;
	p = base + used;
	used += ALIGN(n);
	return p;
}

char *
arena_dup(const void *p, size_t n)
{
	char	*to;

	to = arena_new(n + 1);
	if (to == NULL)
		return NULL;
	memcpy(to, p, n);
	to[n] = '\0';
	return to;
}

char *
arena_printf(const char *fmt, ...)
{
	va_list	 ap;
	char	*to;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	to = n < 0 ? NULL : arena_new((size_t)n + 1);
	if (to == NULL)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return to;
}

size_t
arena_mark(void)
{
	return used;
}

void
arena_release(size_t mark)
{
	if (base != NULL && mark <= used) {
		sodium_memzero(base + mark, used - mark);
		used = mark;
	}
}

void
arena_wipe(void)
{
	arena_release(0);
}

/* jansson's blocks stay where they are and are wiped when they are freed. */
static void *
json_new(size_t n)
{
	uint8_t	*p;

	p = n > ARENA ? NULL : arena_new(n + HEAD);
	if (p == NULL)
		return NULL;
	memcpy(p, &n, sizeof(n));
	return p + HEAD;
}

static void
json_end(void *p)
{
	size_t	 n;

	if (p == NULL)
		return;
	memcpy(&n, (uint8_t *)p - HEAD, sizeof(n));
	sodium_memzero(p, n);
}

/* The heap of libcurl and OpenSSL: wiped when it is given back. */
static void *
heap_new(size_t n)
{
	uint8_t	*p;

	if (n > SIZE_MAX - HEAD)
		return NULL;
	p = malloc(n + HEAD);
	if (p == NULL)
		return NULL;
	memcpy(p, &n, sizeof(n));
	return p + HEAD;
}

static void
heap_end(void *p)
{
	size_t	 n;

	if (p == NULL)
		return;
	memcpy(&n, (uint8_t *)p - HEAD, sizeof(n));
	sodium_memzero(p, n);
	free((uint8_t *)p - HEAD);
}

static void *
heap_resize(void *p, size_t n)
{
	void	*to;
	size_t	 old;

	to = heap_new(n);
	if (p == NULL || to == NULL)
		return to;
	memcpy(&old, (uint8_t *)p - HEAD, sizeof(old));
	memcpy(to, p, old < n ? old : n);
	heap_end(p);
	return to;
}

static void *
heap_clear(size_t n, size_t size)
{
	void	*p;

	if (size != 0 && n > SIZE_MAX / size)
		return NULL;
	p = heap_new(n * size);
	if (p != NULL)
		memset(p, 0, n * size);
	return p;
}

static char *
heap_text(const char *s)
{
	char	*p;
	size_t	 n;

	n = strlen(s) + 1;
	p = heap_new(n);
	if (p != NULL)
		memcpy(p, s, n);
	return p;
}

static void *
ssl_new(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return n == 0 ? NULL : heap_new(n);
}

static void *
ssl_resize(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	if (n == 0) {
		heap_end(p);
		return NULL;
	}
	return heap_resize(p, n);
}

static void
ssl_end(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	heap_end(p);
}

int
arena_init(void)
{
	/* OpenSSL refuses once it has allocated: then its memory is its own. */
	(void)CRYPTO_set_mem_functions(ssl_new, ssl_resize, ssl_end);
	if (sodium_init() == -1) {
		errno = ENOSYS;
		return -1;
	}
	base = sodium_malloc(ARENA);
	if (base == NULL)
		return -1;
	sodium_memzero(base, ARENA);
	used = 0;
	json_set_alloc_funcs(json_new, json_end);
	json_object_seed(0);
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, heap_new, heap_end,
	    heap_resize, heap_text, heap_clear) != CURLE_OK) {
		errno = ENOSYS;
		return -1;
	}
	return 0;
}
