/* SPDX-License-Identifier: ISC */

/* TLS, proxies, names. */

#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/proc/poll.h"
#include "common/secret/secret.h"
#include "common/text/sha256.h"
#include "regress/unit/egress/cases.h"

/* Certificate for "localhost", self-signed, also as text. */
static SSL_CTX *
tls(char *pem, size_t size)
{
	X509_EXTENSION	*ext;
	EVP_PKEY	*key;
	X509		*cert;
	SSL_CTX		*ctx;
	BIO		*bio;
	int		 n;

	key = EVP_EC_gen("P-256");
	cert = X509_new();
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
	    "DNS:localhost");
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, cert);
	n = BIO_read(bio, pem, (int)size - 1);
	assert_true(n > 0);
	pem[n] = '\0';
	BIO_free(bio);
	ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

void
over_tls(void **state)
{
	char		 pem[4096];
	struct call	 c;
	struct seen	 s;
	SSL_CTX		*ctx;
	SSL		*ssl;
	uint32_t	 id;
	size_t		 got, one;
	int		 off, on, w, p, n;

	(void)state;
	off = 0;
	on = 1;
	raw[0] = '\0';
	ctx = tls(pem, sizeof(pem));
	rig_start(&rig, RIG_TLS, pem);
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, p);
	assert_int_equal(SSL_accept(ssl), 1);
	assert_string_equal(SSL_get_servername(ssl,
	    TLSEXT_NAMETYPE_host_name), "localhost");
	for (n = 1; n <= 2; n++) {
		broker_call(&rig, &c, id, (uint64_t)n, body, BODY);
		c.provider = RIG_TLS;
		worker_open(w, (uint64_t)n, BODY);
		worker_body(w, body, BODY);
		broker_release(&rig, &c);
		for (got = 0; strstr(raw, "}]}") == NULL; got += one) {
			assert_int_equal(SSL_read_ex(ssl, raw + got,
			    sizeof(raw) - got - 1, &one), 1);
			raw[got + one] = '\0';
		}
		assert_non_null(strstr(raw, "Bearer " RIG_KEY));
		/* A record each, one segment: no event tells of the later. */
		setsockopt(p, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
		SSL_write(ssl, TEXT(HEAD "content-length: 2\r\n\r\n"));
		SSL_write(ssl, "o", 1);
		SSL_write(ssl, "k", 1);
		setsockopt(p, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
		worker_read(w, &s);
		assert_int_equal(s.end, END_OK + 1);
		worker_forget(&s);
		broker_done(&rig, n);
		raw[0] = '\0';
	}
	SSL_free(ssl);
	close(p);
	close(w);
	SSL_CTX_free(ctx);
	rig_stop(&rig);
}

/* Another certificate, or none that is trusted: nothing is ever sent. */
void
untrusted(void **state)
{
	char		 pem[4096], other[4096];
	struct call	 c;
	struct seen	 s;
	SSL_CTX		*ctx, *ctx2;
	SSL		*ssl;
	uint32_t	 id;
	pid_t		 pid;
	int		 w, p, n, i;

	(void)state;
	ctx = tls(pem, sizeof(pem));
	ctx2 = tls(other, sizeof(other));
	for (n = 0; n < 2; n++) {
		rig_start(&rig, RIG_TLS, n == 0 ? other : "");
		pid = fork();
		if (pid == 0) {
			for (i = 0; i < 3; i++) {
				p = rig_accept(&rig);
				ssl = SSL_new(ctx);
				SSL_set_fd(ssl, p);
				if (SSL_accept(ssl) == 1 &&
				    SSL_read(ssl, raw, sizeof(raw)) > 0)
					_exit(1);
				close(p);
			}
			_exit(0);
		}
		w = rig_link(&rig, &id);
		broker_call(&rig, &c, id, 1, body, BODY);
		c.provider = RIG_TLS;
		worker_open(w, 1, BODY);
		worker_body(w, body, BODY);
		broker_release(&rig, &c);
		worker_read(w, &s);
		assert_int_equal(s.error, END_TLS + 1);
		assert_int_equal(s.status, 502);
		assert_non_null(strstr(s.text, "certificate"));
		broker_done(&rig, 1);
		assert_int_equal(rig.done.end, END_TLS);
		kill(pid, SIGKILL);
		close(w);
		rig_stop(&rig);
	}
	SSL_CTX_free(ctx);
	SSL_CTX_free(ctx2);
}

/* CONNECT to the proxy, by name; TLS with the provider behind it. */
void
through_proxy(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	rig_start(&rig, RIG_PROXIED, "");
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), 0);
	assert_memory_equal(raw, "CONNECT provider.test:443 HTTP/1.1\r\n", 36);
	assert_null(strstr(raw, RIG_KEY));
	provider_write(p, TEXT("HTTP/1.1 200 Go\r\n\r\n"));
	assert_int_equal(read(p, raw, 3), 3);
	assert_memory_equal(raw, "\x16\x03\x01", 3);	/* ClientHello */
	close(p);
	broker_call(&rig, &c, id, 1, body, BODY);
	c.provider = RIG_PROXIED;
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), 0);
	provider_write(p, TEXT("HTTP/1.1 403 Never\r\n\r\n"));
	worker_read(w, &s);
	assert_int_equal(s.error, END_CONNECT + 1);
	assert_non_null(strstr(s.text, "403"));
	broker_done(&rig, 1);
	close(p);
	close(w);
	rig_stop(&rig);
}

void
unresolved(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w;

	(void)state;
	rig_start(&rig, RIG_NAME, "");
	w = rig_link(&rig, &id);
	broker_call(&rig, &c, id, 1, body, BODY);
	c.provider = RIG_NAME;
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	worker_read(w, &s);
	assert_int_equal(s.error, END_CONNECT + 1);
	if (strstr(s.text, "cannot be resolved") == NULL)
		fail_msg("%s", s.text);
	broker_done(&rig, 1);
	close(w);
	rig_stop(&rig);
}
