/* SPDX-License-Identifier: ISC */

/*
 * TLS to a KMS by libcurl, CONNECT_ONLY over a descriptor from dial; libcurl
 * sees no request and no answer.  What must hold: name and chain are always
 * verified, no name is resolved, no file read, no proxy taken from the
 * environment.  One connection at a time, every wait has an end.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "keybrokerd/kms/kms.h"

#define NAME	640

struct https {
	CURL			*easy;
	struct curl_slist	*names;
	int			 fd, given;
	char			 error[CURL_ERROR_SIZE];
};

static CURLM		*multi;
static X509_STORE	*store;
static const void	*bundle;	/* read when it is first needed */
static size_t		 bundlelen;
static int		 believes;

static curl_socket_t
give_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct https	*h;

	(void)purpose;
	(void)address;
	h = arg;
	if (h->given)
		return CURL_SOCKET_BAD;
	h->given = 1;
	return h->fd;
}

static int
is_connected(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)fd;
	(void)purpose;
	return believes ? CURL_SOCKOPT_ALREADY_CONNECTED : CURL_SOCKOPT_OK;
}

static int
close_socket(void *arg, curl_socket_t fd)
{
	struct https	*h;

	h = arg;
	h->fd = -1;
	return close(fd);
}

static CURLcode
dress(CURL *easy, void *ctx, void *arg)
{
	(void)easy;
	(void)arg;
	SSL_CTX_set1_cert_store(ctx, store);
	return CURLE_OK;
}

/* Every certificate of a bundle; their number, -1 without memory. */
static int
fill(X509_STORE *to, const void *pem, size_t len)
{
	BIO	*bio;
	X509	*cert;
	int	 n;

	if (len == 0 || len > INT32_MAX)
		return 0;
	bio = BIO_new_mem_buf(pem, (int)len);
	if (bio == NULL)
		return -1;
	for (n = 0; (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL;
	    X509_free(cert))
		if (X509_STORE_add_cert(to, cert) == 1)
			n++;
	BIO_free(bio);
	return n;
}

static X509_STORE *
new_store(void)
{
	X509_STORE	*s;

	s = X509_STORE_new();
	if (s != NULL)
		X509_STORE_set_flags(s, X509_V_FLAG_TRUSTED_FIRST |
		    X509_V_FLAG_PARTIAL_CHAIN);
	return s;
}

int
https_init(const void *pem, size_t len, char *why, size_t size)
{
	/*
	 * Before 8.0 libcurl calls connect() all the same: the filter answers
	 * EINPROGRESS, which it takes for what it should be (decisions X6).
	 */
	believes = curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
	multi = curl_multi_init();
	bundle = pem;
	bundlelen = len;
	if (multi == NULL) {
		strlcpy(why, "out of memory", size);
		return -1;
	}
	return 0;
}

int
https_trust(const void *pem, size_t len)
{
	X509_STORE	*s;

	s = new_store();
	if (s == NULL || fill(s, pem, len) <= 0) {
		X509_STORE_free(s);
		return -1;
	}
	X509_STORE_free(store);
	store = s;
	return 0;
}

/* The operator's own certificates, else the bundle. */
static int
believe(void)
{
	if (store == NULL && (store = new_store()) != NULL &&
	    fill(store, bundle, bundlelen) == -1) {
		X509_STORE_free(store);
		store = NULL;
	}
	return store == NULL ? -1 : 0;
}

/* ---- opening ------------------------------------------------------------- */

/* The name stays for SNI and verification; the address is never used. */
static int
name(struct https *h, const char *host, uint16_t port)
{
	struct curl_slist	*l;
	char			 line[NAME];

	if (strchr(host, ':') != NULL)
		return 0;
	snprintf(line, sizeof(line), "%s:%u:127.0.0.1", host,
	    (unsigned int)port);
	l = curl_slist_append(h->names, line);
	if (l == NULL)
		return -1;
	h->names = l;
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
through(struct https *h, const struct kms_target *t)
{
	char	 text[NAME];

	if (t->proxy[0] == '\0')
		return curl_easy_setopt(h->easy, CURLOPT_PROXY, "") ==
		    CURLE_OK ? 0 : -1;
	url(text, sizeof(text), "http", t->proxy, t->proxy_port);
	if (name(h, t->proxy, t->proxy_port) == -1 ||
	    curl_easy_setopt(h->easy, CURLOPT_PROXY, text) != CURLE_OK ||
	    curl_easy_setopt(h->easy, CURLOPT_HTTPPROXYTUNNEL, 1L) != CURLE_OK)
		return -1;
	return 0;
}

static int
options(struct https *h, const struct kms_target *t, const char *host)
{
	char	 text[NAME];
	CURL	*e;
	int	 bad;

	e = h->easy;
	url(text, sizeof(text), "https", host, t->port);
	bad = curl_easy_setopt(e, CURLOPT_URL, text) != CURLE_OK;
	bad |= name(h, host, t->port) == -1 || through(h, t) == -1;
	bad |= curl_easy_setopt(e, CURLOPT_RESOLVE, h->names) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https") != CURLE_OK;
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
plumbing(struct https *h)
{
	CURL	*e;

	e = h->easy;
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, give_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, h);
	curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, is_connected);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, h);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
}

static int
left(uint64_t deadline)
{
	uint64_t	 now;

	now = poll_now();
	return now >= deadline ? 0 : (int)((deadline - now) / NS_MS) + 1;
}

/* Runs the handshake: its result, CURLE_OPERATION_TIMEDOUT when time is up. */
static CURLcode
shake(struct https *h, uint64_t deadline)
{
	CURLMsg	*msg;
	int	 running, n, ms;

	if (curl_multi_add_handle(multi, h->easy) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	for (;;) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return CURLE_OUT_OF_MEMORY;
		while ((msg = curl_multi_info_read(multi, &n)) != NULL)
			if (msg->msg == CURLMSG_DONE &&
			    msg->easy_handle == h->easy)
				return msg->data.result;
		ms = left(deadline);
		if (ms == 0)
			return CURLE_OPERATION_TIMEDOUT;
		curl_multi_wait(multi, NULL, 0, ms > 200 ? 200 : ms, &n);
	}
}

/* Trust that fails is the operator's to repair; all else may pass. */
static enum proto_kms_class
class_of(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return KC_CONFIG;
	default:
		return KC_UNAVAILABLE;
	}
}

struct https *
https_open(const struct kms_target *t, const char *host, int fd,
    uint64_t deadline, enum proto_kms_class *class, char *why, size_t size)
{
	struct https	*h;
	CURLcode	 code;

	*class = KC_UNAVAILABLE;
	h = arena_new(sizeof(*h));
	if (h == NULL || believe() == -1 ||
	    (h->easy = curl_easy_init()) == NULL) {
		close(fd);
		strlcpy(why, "out of memory", size);
		return NULL;
	}
	h->fd = fd;
	plumbing(h);
	code = options(h, t, host) == -1 ? CURLE_OUT_OF_MEMORY :
	    shake(h, deadline);
	if (code == CURLE_OK)
		return h;
	*class = class_of(code);
	snprintf(why, size, "TLS: %.200s", h->error[0] != '\0' ? h->error :
	    curl_easy_strerror(code));
	https_close(&h);
	return NULL;
}

/* ---- using ---------------------------------------------------------------- */

static int
ready(struct https *h, short events, uint64_t deadline)
{
	struct pollfd	 p;
	int		 ms;

	p.fd = h->fd;
	p.events = events;
	ms = left(deadline);
	if (ms == 0 || poll(&p, 1, ms) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return 0;
}

int
https_send(struct https *h, const void *p, size_t n, uint64_t deadline)
{
	const uint8_t	*at;
	size_t		 sent;
	CURLcode	 code;

	for (at = p; n > 0; at += sent, n -= sent) {
		sent = 0;
		code = curl_easy_send(h->easy, at, n, &sent);
		if (code == CURLE_AGAIN) {
			if (ready(h, POLLOUT, deadline) == -1)
				return -1;
		} else if (code != CURLE_OK) {
			errno = ECONNRESET;
			return -1;
		}
	}
	return 0;
}

long
https_recv(struct https *h, void *p, size_t n, uint64_t deadline)
{
	size_t		 got;
	CURLcode	 code;

	for (;;) {
		got = 0;
		code = curl_easy_recv(h->easy, p, n, &got);
		if (code == CURLE_OK)
			return (long)got;
		if (code != CURLE_AGAIN) {
			errno = ECONNRESET;
			return -1;
		}
		if (ready(h, POLLIN, deadline) == -1)
			return -1;
	}
}

void
https_close(struct https **hp)
{
	struct https	*h;

	h = *hp;
	*hp = NULL;
	if (h == NULL)
		return;
	curl_multi_remove_handle(multi, h->easy);
	curl_easy_cleanup(h->easy);
	if (h->fd != -1 && !h->given)
		close(h->fd);
	curl_slist_free_all(h->names);
}
