/* SPDX-License-Identifier: ISC */

/*
 * Connections to a provider by libcurl, which sees no request and no answer:
 * CONNECT_ONLY, over a descriptor that came from dial.  What must hold:
 * certificates are verified against the operator's bundle alone, no name is
 * resolved, no file read, no proxy taken from the environment.
 *
 * libcurl 7.88 calls connect() on the descriptor although it is connected; the
 * filter answers EINPROGRESS, which it takes for what it should be (decisions
 * X6).  Handles stay in the multi: taking one out closes its socket.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/log/log.h"
#include "keybrokerd/egress/upstream.h"

#define OPEN_MS		10000L
#define NAME		320		/* host:port:address, URLs */

struct upstream {
	CURL			*easy;
	SSL			*ssl;		/* libcurl's, from the first recv on */
	int			 looked;	/* for it */
	struct curl_slist	*names;
	int			 fd, given, open;
	struct event		*event;
	short			 events;	/* what event waits for */
	upstream_open_fn	 opened;
	upstream_io_fn		 ready;
	void			*arg;
	char			 error[CURL_ERROR_SIZE];
};

static struct event_base	*base;
static struct event		*timer;
static CURLM			*multi;
static X509_STORE		*store;
static int			 believes;	/* see is_connected() */

static void	on_event(int, short, void *);

/* OpenSSL's; LibreSSL has none. */
int		SSL_free_buffers(SSL *) __attribute__((weak));

/* ---- libcurl asks ------------------------------------------------------ */

static curl_socket_t
give_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct upstream	*u;

	(void)purpose;
	(void)address;
	u = arg;
	if (u->given)
		return CURL_SOCKET_BAD;
	u->given = 1;
	return u->fd;
}

/*
 * From 8.0 on, libcurl believes that the descriptor is connected.  Before, it
 * connects all the same and, told so, would look at it only 200 ms later.
 */
static int
is_connected(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)fd;
	(void)purpose;
	return believes ? CURL_SOCKOPT_ALREADY_CONNECTED : CURL_SOCKOPT_OK;
}

/* The event must be gone before its descriptor is. */
static int
close_socket(void *arg, curl_socket_t fd)
{
	struct upstream	*u;

	u = arg;
	if (u->event != NULL) {
		event_free(u->event);
		u->event = NULL;
	}
	u->fd = -1;
	return close(fd);
}

static CURLcode
dress(CURL *easy, void *ctx, void *arg)
{
	(void)easy;
	(void)arg;
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A record's head and the rest of it in one read. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set1_cert_store(ctx, store);
	return CURLE_OK;
}

/* Waits for `events` on the descriptor, or for nothing. */
static void
watch(struct upstream *u, short events)
{
	if (u->events == events && (events == 0 || u->event != NULL))
		return;
	if (u->event != NULL)
		event_free(u->event);
	u->event = NULL;
	u->events = events;
	if (events == 0 || u->fd == -1)
		return;
	u->event = event_new(base, u->fd, events | EV_PERSIST, on_event, u);
	if (u->event == NULL || event_add(u->event, NULL) == -1)
		fatalx("upstream: out of memory");
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock)
{
	struct upstream	*u;
	char		*p;
	short		 events;

	(void)fd;
	(void)arg;
	(void)sock;
	p = NULL;
	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &p) != CURLE_OK ||
	    p == NULL)
		return 0;
	u = (struct upstream *)(void *)p;
	if (u->open)
		return 0;
	events = 0;
	if (what & CURL_POLL_REMOVE)
		events = 0;
	else {
		if (what & CURL_POLL_IN)
			events |= EV_READ;
		if (what & CURL_POLL_OUT)
			events |= EV_WRITE;
	}
	watch(u, events);
	return 0;
}

static int
on_timer(CURLM *m, long ms, void *arg)
{
	struct timeval	 tv;

	(void)m;
	(void)arg;
	if (ms < 0)
		return event_del(timer);
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	return event_add(timer, &tv);
}

/* ---- the loop says ----------------------------------------------------- */

static int
class_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return END_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return END_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return END_TLS;
	default:
		return END_CONNECT;
	}
}

/* The session behind a handle, or NULL. */
static SSL *
session(CURL *easy)
{
	struct curl_tlssessioninfo	*info;

	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK ||
	    info == NULL || info->backend != CURLSSLBACKEND_OPENSSL)
		return NULL;
	return info->internals;
}

/* Tells the owners of handles that are open now, or never will be. */
static void
finished(void)
{
	struct upstream	*u;
	CURLMsg		*msg;
	CURLcode	 code;
	char		*p;
	int		 left, end;

	while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result;
		p = NULL;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &p);
		u = (struct upstream *)(void *)p;
		if (u == NULL)
			continue;
		end = class_of(code);
		if (end == END_OK) {
			u->open = 1;
			u->events = 0;
			watch(u, EV_READ);
		}
		u->opened(u->arg, end, u->error[0] != '\0' ? u->error :
		    curl_easy_strerror(code));
	}
}

static void
on_event(int fd, short what, void *arg)
{
	struct upstream	*u;
	int		 mask, running;

	u = arg;
	if (u->open) {
		u->ready(u->arg, (what & EV_WRITE) != 0);
		return;
	}
	mask = 0;
	if (what & EV_READ)
		mask |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		mask |= CURL_CSELECT_OUT;
	curl_multi_socket_action(multi, fd, mask, &running);
	finished();
}

static void
on_due(int fd, short what, void *arg)
{
	int	 running;

	(void)fd;
	(void)what;
	(void)arg;
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finished();
}

/* ---- start ------------------------------------------------------------- */

/* Every certificate of the bundle; what is no certificate is passed over. */
static int
trust(const void *pem, size_t len)
{
	BIO	*bio;
	X509	*cert;
	int	 n;

	n = 0;
	store = X509_STORE_new();
	if (store == NULL)
		return -1;
	X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST |
	    X509_V_FLAG_PARTIAL_CHAIN);
	if (len == 0 || len > INT32_MAX)
		return 0;
	bio = BIO_new_mem_buf(pem, (int)len);
	if (bio == NULL)
		return -1;
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, cert) == 1)
			n++;
		X509_free(cert);
	}
	BIO_free(bio);
	return n;
}

int
upstream_init(struct event_base *b, const void *pem, size_t len, char *why,
    size_t size)
{
	int	 n;

	base = b;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		snprintf(why, size, "libcurl does not start");
		return -1;
	}
	believes = curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
	n = trust(pem, len);
	multi = curl_multi_init();
	timer = evtimer_new(base, on_due, NULL);
	if (n == -1 || multi == NULL || timer == NULL) {
		snprintf(why, size, "out of memory");
		return -1;
	}
	if (len > 0 && n == 0) {
		snprintf(why, size, "the CA bundle holds no certificate");
		return -1;
	}
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 65536L);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return 0;
}

/* ---- one connection ---------------------------------------------------- */

/* The name stays for SNI and verification; the address is never used. */
static int
name(struct upstream *u, const char *host, uint16_t port)
{
	struct curl_slist	*l;
	char			 line[NAME];

	if (strchr(host, ':') != NULL)
		return 0;
	snprintf(line, sizeof(line), "%s:%u:127.0.0.1", host,
	    (unsigned int)port);
	l = curl_slist_append(u->names, line);
	if (l == NULL)
		return -1;
	u->names = l;
	return 0;
}

static void
url(char *out, size_t size, const char *scheme, const char *host,
    uint16_t port)
{
	int	 literal;

	literal = strchr(host, ':') != NULL;
	snprintf(out, size, "%s://%s%s%s:%u", scheme, literal ? "[" : "", host,
	    literal ? "]" : "", (unsigned int)port);
}

static int
through(struct upstream *u, const struct upstream_target *t)
{
	char	 text[NAME];

	if (t->proxy == NULL || t->proxy[0] == '\0')
		return curl_easy_setopt(u->easy, CURLOPT_PROXY, "") ==
		    CURLE_OK ? 0 : -1;
	url(text, sizeof(text), "http", t->proxy, t->proxy_port);
	if (name(u, t->proxy, t->proxy_port) == -1 ||
	    curl_easy_setopt(u->easy, CURLOPT_PROXY, text) != CURLE_OK ||
	    curl_easy_setopt(u->easy, CURLOPT_HTTPPROXYTUNNEL, 1L) != CURLE_OK)
		return -1;
	return 0;
}

static int
options(struct upstream *u, const struct upstream_target *t)
{
	char	 text[NAME];
	CURL	*e;
	int	 bad;

	e = u->easy;
	url(text, sizeof(text), t->tls ? "https" : "http", t->host, t->port);
	bad = curl_easy_setopt(e, CURLOPT_URL, text) != CURLE_OK;
	bad |= name(u, t->host, t->port) == -1 || through(u, t) == -1;
	bad |= curl_easy_setopt(e, CURLOPT_RESOLVE, u->names) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR,
	    t->tls ? "https" : "http") != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CAINFO, NULL) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CAPATH, NULL) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, dress) !=
	    CURLE_OK;
	return bad ? -1 : 0;
}

static void
plumbing(struct upstream *u)
{
	CURL	*e;

	e = u->easy;
	curl_easy_setopt(e, CURLOPT_PRIVATE, (void *)u);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, u->error);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, give_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, u);
	curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, is_connected);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, u);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 1024L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, OPEN_MS);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
}

struct upstream *
upstream_open(const struct upstream_target *t, int fd,
    upstream_open_fn opened, upstream_io_fn ready, void *arg)
{
	struct upstream	*u;

	u = calloc(1, sizeof(*u));
	if (u == NULL) {
		close(fd);
		return NULL;
	}
	u->fd = fd;
	u->opened = opened;
	u->ready = ready;
	u->arg = arg;
	u->easy = curl_easy_init();
	if (u->easy == NULL) {
		upstream_close(&u);
		return NULL;
	}
	plumbing(u);
	if (options(u, t) == -1 ||
	    curl_multi_add_handle(multi, u->easy) != CURLM_OK)
		upstream_close(&u);
	return u;
}

enum upstream_io
upstream_send(struct upstream *u, const void *p, size_t n, size_t *sent)
{
	*sent = 0;
	switch (curl_easy_send(u->easy, p, n, sent)) {
	case CURLE_OK:
		return *sent > 0 || n == 0 ? UPSTREAM_OK : UPSTREAM_AGAIN;
	case CURLE_AGAIN:
		return UPSTREAM_AGAIN;
	default:
		return UPSTREAM_ERROR;
	}
}

/*
 * A session ticket that comes after the request makes OpenSSL take a buffer for
 * an answer to it, which RELEASE_BUFFERS gives back at the next write only:
 * 16 KB for as long as a stream runs.
 */
static void
slim(struct upstream *u)
{
	if (SSL_free_buffers != NULL && u->ssl != NULL)
		(void)SSL_free_buffers(u->ssl);
}

int
upstream_pending(const struct upstream *u)
{
	return u->ssl != NULL && SSL_has_pending(u->ssl);
}

int
upstream_quiet(const struct upstream *u)
{
	uint8_t	 byte;

	return !upstream_pending(u) && recv(u->fd, &byte, sizeof(byte),
	    MSG_PEEK | MSG_DONTWAIT) == -1 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK);
}

enum upstream_io
upstream_recv(struct upstream *u, void *p, size_t n, size_t *got)
{
	CURLcode	 code;

	*got = 0;
	code = curl_easy_recv(u->easy, p, n, got);
	/* Not before: a handle that has just opened has let go of it. */
	if (!u->looked) {
		u->ssl = session(u->easy);
		u->looked = 1;
	}
	switch (code) {
	case CURLE_OK:
		if (*got < n)
			slim(u);
		return *got > 0 ? UPSTREAM_OK : UPSTREAM_EOF;
	case CURLE_AGAIN:
		slim(u);
		return UPSTREAM_AGAIN;
	default:
		return UPSTREAM_ERROR;
	}
}

void
upstream_want(struct upstream *u, int reading, int writing)
{
	if (u->open)
		watch(u, (short)((reading ? EV_READ : 0) |
		    (writing ? EV_WRITE : 0)));
}

void
upstream_again(struct upstream *u)
{
	if (u->event != NULL)
		event_active(u->event, EV_READ, 0);
}

void
upstream_close(struct upstream **up)
{
	struct upstream	*u;

	u = *up;
	*up = NULL;
	if (u == NULL)
		return;
	if (u->event != NULL)
		event_free(u->event);
	u->event = NULL;
	if (u->easy != NULL) {
		/* No more polling for it while it is taken apart. */
		curl_easy_setopt(u->easy, CURLOPT_PRIVATE, NULL);
		curl_multi_remove_handle(multi, u->easy);
		curl_easy_cleanup(u->easy);
	}
	if (u->fd != -1 && !u->given)
		close(u->fd);
	curl_slist_free_all(u->names);
	free(u);
}
