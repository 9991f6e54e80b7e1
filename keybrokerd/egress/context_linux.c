/* SPDX-License-Identifier: ISC */

/*
 * libcurl makes an SSL_CTX for each connection, through the dynamic linker,
 * which finds the SSL_CTX_new of this file first.  An egress speaks to one
 * provider with one set of options, so its connections share one: the tables
 * of groups and algorithms in each are 20 KB for as long as a stream runs.
 * Only main.c names this file, so no test program has its SSL_CTX_new.
 */

#include <openssl/ssl.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/egress/upstream.h"

static SSL_CTX	*shared;

void
context_share(void)
{
	shared = SSL_CTX_new_ex(NULL, NULL, TLS_client_method());
	if (shared == NULL)
		fatalx("SSL_CTX_new_ex");
}

/* The caller owns one reference, as of a context of its own. */
SSL_CTX *
SSL_CTX_new(const SSL_METHOD *method)
{
	if (shared == NULL)
		return SSL_CTX_new_ex(NULL, NULL, method);
	return SSL_CTX_up_ref(shared) == 1 ? shared : NULL;
}
