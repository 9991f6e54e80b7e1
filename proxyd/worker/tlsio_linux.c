/* SPDX-License-Identifier: ISC */
/*
 * What libretls on OpenSSL needs beyond libtls.  It makes its contexts through
 * the dynamic linker, which finds this SSL_CTX_new first: buffers are given
 * back while a connection is idle (40 KB a connection become 7), a read takes
 * what the socket has, nothing is kept for resumption (libretls' tickets do not
 * work, and a session cache would grow), no renegotiation, and signatures only
 * as tlskey makes them.
 */
#include <openssl/ssl.h>

#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

#define SIGALGS	"ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:"		\
	"rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:"	\
	"RSA+SHA512"

SSL_CTX *
SSL_CTX_new(const SSL_METHOD *method)
{
	SSL_CTX	*ctx;

	ctx = SSL_CTX_new_ex(NULL, NULL, method);
	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
	    SSL_CTX_set1_sigalgs_list(ctx, SIGALGS) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* No system-wide openssl.cnf: it could change any of the above. */
int
tlsio_system(void)
{
	return OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 :
	    -1;
}
