/* SPDX-License-Identifier: ISC */
/*
 * TLS behind the calls of io.c, by libtls: 1.2 and 1.3, forward secrecy and AEAD
 * only, ALPN http/1.1, no resumption, no client certificates.  Holds session
 * keys and what passes; the certificate's private key is in tlskey.  Until the
 * handshake is complete a read is a step of it.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <errno.h>
#include <tls.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/secret/memfd.h"
#include "common/text/sha256.h"
#include "proxyd/worker/worker.h"

/* Exported by libtls for this very use, in no header. */
void	 tls_config_use_fake_private_key(struct tls_config *);
void	 tls_config_skip_private_key_check(struct tls_config *);

/* A certificate, shared by the connections that began with it. */
struct tlscert {
	struct tls	*server;
	struct worker	*worker;
	uint8_t		 name[TLSIO_NAME];	/* SHA-256 of the leaf */
	uint8_t		 digest[32];		/* of the file */
	unsigned int	 refs;
};

struct tlsio {
	struct tls	*tls;
	struct tlscert	*cert;
	int		 shut;		/* input is discarded unread */
};

/* ---- certificates ------------------------------------------------------------ */
static void
cert_unref(struct tlscert *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	tls_free(c->server);
	free(c);
}

static int
leaf_name(uint8_t name[TLSIO_NAME], const uint8_t *pem, size_t len)
{
	X509	*x;
	BIO	*bio;
	int	 ok;

	x = NULL;
	bio = BIO_new_mem_buf(pem, (int)len);
	if (bio != NULL)
		x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ok = x != NULL && X509_digest(x, EVP_sha256(), name, NULL) == 1;
	X509_free(x);
	return ok ? 0 : -1;
}

static int
configure(struct tls_config *cfg, const uint8_t *pem, size_t len)
{
	if (tls_config_set_protocols(cfg, TLS_PROTOCOL_TLSv1_2 |
	    TLS_PROTOCOL_TLSv1_3) == -1 ||
	    tls_config_set_ciphers(cfg, "ECDHE+AESGCM:ECDHE+CHACHA20") == -1 ||
	    tls_config_set_ecdhecurves(cfg, "X25519,P-256,P-384") == -1 ||
	    tls_config_set_alpn(cfg, "http/1.1") == -1 ||
	    tls_config_set_session_lifetime(cfg, 0) == -1 ||
	    tls_config_set_cert_mem(cfg, pem, len) == -1)
		return -1;
	tls_config_prefer_ciphers_server(cfg);
	tls_config_use_fake_private_key(cfg);
	tls_config_skip_private_key_check(cfg);
	return 0;
}

/* A server of that certificate, or NULL and why is logged. */
static struct tls *
make_server(const uint8_t *pem, size_t len)
{
	struct tls_config *cfg;
	struct tls	*server;

	cfg = tls_config_new();
	server = tls_server();
	if (cfg == NULL || server == NULL || configure(cfg, pem, len) == -1) {
		log_warnx("certificate: %s", cfg == NULL ? "out of memory" :
		    tls_config_error(cfg));
		tls_free(server);
		server = NULL;
	} else if (tls_configure(server, cfg) == -1) {
		log_warnx("certificate: %s", tls_error(server));
		tls_free(server);
		server = NULL;
	}
	tls_config_free(cfg);
	return server;
}

static struct tlscert *
cert_new(struct worker *w, const uint8_t *pem, size_t len)
{
	static int	 begun;
	struct tlscert	*c;

	if (!begun && (tlsio_system() == -1 || tls_init() == -1 ||
	    tlshook_init() == -1))
		fatalx("libtls");
	begun = 1;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->worker = w;
	c->refs = 1;
	sha256_buf(pem, len, c->digest);
	if (leaf_name(c->name, pem, len) == -1 ||
	    (c->server = make_server(pem, len)) == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

/*
 * Certificate number n of the parent's: fd is a sealed file, closed here.  The
 * same one again changes nothing; another takes its place for new connections.
 */
void
tlsio_cert(struct worker *w, uint8_t n, int fd)
{
	struct tlscert	*c;
	uint8_t		 digest[32];
	void		*p;
	off_t		 len;

	len = memfd_size(fd);
	p = len <= 0 || len > CERT_BYTES ? MAP_FAILED :
	    mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		fatalx("parent: certificate %u cannot be mapped", n);
	sha256_buf(p, (size_t)len, digest);
	if (w->certs[n] == NULL ||
	    memcmp(w->certs[n]->digest, digest, sizeof(digest)) != 0) {
		c = cert_new(w, p, (size_t)len);
		if (c == NULL)
			log_warnx("certificate %u cannot be used", n);
		cert_unref(w->certs[n]);
		w->certs[n] = c;
	}
	munmap(p, (size_t)len);
}

void
tlsio_free(struct worker *w)
{
	size_t	 i;

	for (i = 0; i <= CERTS_MAX; i++) {
		cert_unref(w->certs[i]);
		w->certs[i] = NULL;
	}
}

/* ---- a connection --------------------------------------------------------------- */
static ssize_t
on_read(struct tls *tls, void *buf, size_t size, void *arg)
{
	struct io	*io;
	ssize_t		 r;

	(void)tls;
	io = arg;
	if (io->dry)
		return TLS_WANT_POLLIN;
	do {
		r = recv(io->fd, buf, size, MSG_DONTWAIT);
	} while (r == -1 && errno == EINTR);
	if (r == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TLS_WANT_POLLIN;
	if (r > 0)
		io_came(io, (size_t)r, size);
	return r;
}

static ssize_t
on_write(struct tls *tls, const void *buf, size_t size, void *arg)
{
	struct io	*io;
	ssize_t		 r;

	(void)tls;
	io = arg;
	do {
		r = send(io->fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (r == -1 && errno == EINTR);
	if (r == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TLS_WANT_POLLOUT;
	return r;
}

static enum io_want
outcome(ssize_t r)
{
	return r == TLS_WANT_POLLIN ? IO_READ : r == TLS_WANT_POLLOUT ?
	    IO_WRITE : IO_FAIL;
}

static enum io_want
handshake(struct io *io)
{
	struct tlsio	*t;
	int		 r;

	t = io->state;
	signer_use(t->cert->worker, t->cert->name);
	r = tls_handshake(t->tls);
	signer_use(NULL, NULL);
	if (r != 0) {
		if (r == -1)
			log_debug("TLS: %s", tls_error(t->tls));
		return outcome(r);
	}
	io->ready = 1;
	return IO_DONE;
}

static enum io_want
tls_io_read(struct io *io, void *buf, size_t size, size_t *n)
{
	struct tlsio	*t;
	enum io_want	 want;
	ssize_t		 r;

	t = io->state;
	if (t->shut) {
		r = on_read(t->tls, buf, size, io);
	} else {
		if (!io->ready && (want = handshake(io)) != IO_DONE)
			return want;
		r = tls_read(t->tls, buf, size);
	}
	if (r > 0) {
		*n = (size_t)r;
		return IO_DONE;
	}
	return r == 0 ? IO_EOF : outcome(r);
}

static enum io_want
tls_io_write(struct io *io, const void *buf, size_t size, size_t *n)
{
	struct tlsio	*t;
	ssize_t		 r;

	t = io->state;
	if (!io->ready || t->shut)
		return IO_FAIL;
	r = tls_write(t->tls, buf, size);
	if (r > 0) {
		*n = (size_t)r;
		return IO_DONE;
	}
	return r == 0 ? IO_FAIL : outcome(r);
}

/* close_notify, as far as the socket takes it now. */
static void
tls_io_shut(struct io *io)
{
	struct tlsio	*t;

	t = io->state;
	if (io->ready && !t->shut)
		(void)tls_close(t->tls);
	t->shut = 1;
	shutdown(io->fd, SHUT_WR);
}

/* No close_notify here: an answer that was cut must not look complete. */
static void
tls_io_close(struct io *io)
{
	struct tlsio	*t;

	t = io->state;
	tls_free(t->tls);
	cert_unref(t->cert);
	free(t);
	io->state = NULL;
	close(io->fd);
}

static const struct io_ops ops = { tls_io_read, tls_io_write, tls_io_shut,
	tls_io_close };

/*
 * As io_plain, with the certificate of that number; -1: none such, or out of
 * memory, and the socket is closed.  io must not move.
 */
int
tlsio_accept(struct io *io, int fd, struct worker *w, uint8_t number)
{
	struct tlsio	*t;

	io->fd = -1;
	t = calloc(1, sizeof(*t));
	if (t == NULL || (t->cert = w->certs[number]) == NULL ||
	    tls_accept_cbs(t->cert->server, &t->tls, on_read, on_write,
	    io) == -1) {
		free(t);
		close(fd);
		return -1;
	}
	t->cert->refs++;
	io->fd = fd;
	io->ops = &ops;
	io->state = t;
	io->ready = io->dry = io->ended = 0;
	return 0;
}
