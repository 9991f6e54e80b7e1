/* SPDX-License-Identifier: ISC */
/*
 * dial and the hosts of a KMS: the loop runs in a child, this is its parent and
 * the kms role.  What is on the list is reached, by the proxy where one is set;
 * nothing else is, whatever the row, the label or the address says.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/kms/kms.h"
#include "keybrokerd/dial/dial.h"

#define WAIT	60000		/* ms, for an answer */

static struct msglink	 parent, kms;
static pid_t		 child;
static int		 server;
static uint16_t		 port;

/* The last answer. */
static struct {
	int		 done, ok, proxied, fd;
	uint32_t	 cookie;
	char		 why[DIAL_TEXT];
} got;

static int
hear(void *arg, struct msgr *r, int fd)
{
	(void)arg;
	got.done = 1;
	got.fd = fd;
	got.cookie = msg_get_u32(r);
	got.ok = r->type == M_CONNECTED;
	if (got.ok)
		got.proxied = msg_get_u8(r);
	else {
		assert_int_equal(r->type, M_FAILED);
		assert_int_equal(msg_get_u8(r), END_CONNECT);
		msg_get_str(r, got.why, sizeof(got.why));
	}
	assert_int_equal(msg_end(r), 0);
	assert_int_equal(got.ok, fd != -1);
	return 0;
}

static void
push(struct msglink *l)
{
	while (msglink_flush(l) == 1)
		;
}

/* 1, or 0: dial has closed the link. */
static int
connect_to(uint16_t row, const char *label)
{
	static uint32_t	 cookie;
	struct pollfd	 p;
	struct msgw	 w;

	memset(&got, 0, sizeof(got));
	got.fd = -1;
	msg_open(&w, M_CONNECT);
	msg_put_u32(&w, ++cookie);
	msg_put_u16(&w, row);
	msg_put_str(&w, label);
	(void)msg_send(&kms, &w, -1);
	push(&kms);
	p.fd = kms.fd;
	p.events = POLLIN;
	while (!got.done) {
		assert_int_equal(poll(&p, 1, WAIT), 1);
		if (msglink_read(&kms, 1, hear, NULL) == -1)
			return 0;
	}
	assert_int_equal(got.cookie, cookie);
	return 1;
}

static void
reached(uint16_t row, const char *label, int proxied)
{
	struct sockaddr_in	 in;
	socklen_t		 len;

	assert_int_equal(connect_to(KMS_TARGET | row, label), 1);
	if (!got.ok)
		fail_msg("row %u, \"%s\": %s", row, label, got.why);
	assert_int_equal(got.proxied, proxied);
	len = sizeof(in);
	assert_int_equal(getpeername(got.fd, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(ntohs(in.sin_port), port);
	close(got.fd);
	close(accept(server, NULL, NULL));
}

static void
refused(uint16_t row, const char *label, const char *why)
{
	assert_int_equal(connect_to(row, label), 1);
	if (got.ok || strstr(got.why, why) == NULL)
		fail_msg("row %u, \"%s\": \"%s\", wanted \"%s\"", row, label,
		    got.ok ? "connected" : got.why, why);
}

/* A list, and a kms role that may use it. */
static void
give(const struct kms_targets *ts)
{
	static uint8_t	 blob[KMS_BLOB_MAX];
	struct msgw	 w;
	size_t		 n;
	int		 fd, pair[2];

	n = kmstarget_encode(ts, blob, sizeof(blob));
	assert_true(n > 0);
	fd = memfd_create("list", MFD_CLOEXEC);
	assert_int_equal(write(fd, blob, n), n);
	msg_open(&w, M_BLOB);
	assert_int_equal(msg_send(&parent, &w, fd), 0);
	assert_int_equal(msg_pair(pair), 0);
	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_KMS);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, 1);
	assert_int_equal(msg_send(&parent, &w, pair[1]), 0);
	push(&parent);
	msglink_init(&kms, pair[0], 65536);
}

static void
row(struct kms_targets *ts, uint8_t flags, const char *host, const char *proxy)
{
	struct kms_target	*t;

	t = &ts->t[ts->n++];
	t->flags = flags;
	t->port = port;
	t->proxy_port = port;
	strlcpy(t->host, host, sizeof(t->host));
	strlcpy(t->proxy, proxy, sizeof(t->proxy));
}

/* Rows as a parent would never make them: dial judges each address itself. */
static void
addresses(void **state)
{
	static const struct {
		uint8_t		 flags;
		const char	*host, *proxy, *why;	/* NULL: reached */
	} t[] = {
		{ KT_LOOPBACK, "127.0.0.1", "", NULL },
		{ KT_TLS, "127.0.0.1", "", NULL },
		{ KT_META, "127.0.0.1", "", NULL },	/* the very address */
		{ KT_LOOPBACK, "10.1.2.3", "", "not loopback" },
		{ KT_LOOPBACK, "169.254.169.254", "", "not connected" },
		{ KT_TLS, "169.254.169.254", "", "not connected" },
		{ KT_TLS, "fd00:ec2::254", "", "not connected" },
		{ KT_TLS, "100.100.100.200", "", "not connected" },
		{ KT_META, "localhost", "", "not that metadata service's" },
		{ KT_TLS, "kms.example", "127.0.0.1", NULL },
		{ KT_TLS, "kms.example", "169.254.169.254", "not connected" },
	};
	static struct kms_targets	 ts;
	uint16_t			 i;

	(void)state;
	memset(&ts, 0, sizeof(ts));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		row(&ts, t[i].flags, t[i].host, t[i].proxy);
	give(&ts);
	for (i = 0; i < ts.n; i++)
		if (t[i].why == NULL)
			reached(i, "", t[i].proxy[0] != '\0');
		else
			refused(KMS_TARGET | i, "", t[i].why);
	/* Not a row; a provider of the policy; a label that no row asks for. */
	refused((uint16_t)(KMS_TARGET | ts.n), "", "not on the list");
	refused(0xffff, "", "not on the list");
	refused(0, "", "not on the list");
	refused(1, "", "not on the list");
	refused(KMS_TARGET | 0, "evil", "not on the list");
	msglink_close(&kms);
}

static const char *
variable(void *arg, const char *name)
{
	static char	 proxy[40];

	(void)arg;
	if (strcmp(name, "TAPPASS_KMS_PROXY") != 0)
		return NULL;
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", port);
	return proxy;
}

/* The list of an AWS URI without a region: one label is open, no more. */
static void
labels(void **state)
{
	static const char *const	 bad[] = { "", "a.b", "eu/1", "EU", "*",
	    "eu-west-1.evil.example:443/", "a b" };
	static struct kms_targets	 ts;
	char				 why[256], label[64];
	size_t				 i;
	int				 r, meta;

	(void)state;
	assert_int_equal(kmstarget_list(&ts, "aws_kms://alias/x", variable,
	    NULL, why, sizeof(why)), 0);
	r = kmstarget_find(&ts, 1, "kms.eu-west-1.amazonaws.com", 443, label);
	assert_true(r >= 0 && (ts.t[r].flags & KT_PATTERN) != 0);
	assert_string_equal(label, "eu-west-1");
	assert_int_equal(kmstarget_find(&ts, 1, "kms.evil.example", 443,
	    label), -1);
	/* The metadata service is asked past the proxy. */
	for (i = 0, meta = 0; i < ts.n; i++)
		if (ts.t[i].flags & KT_META) {
			assert_string_equal(ts.t[i].proxy, "");
			meta++;
		}
	assert_true(meta > 0);
	give(&ts);
	reached((uint16_t)r, "eu-west-1", 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused((uint16_t)(KMS_TARGET | r), bad[i], "not on the list");
	reached((uint16_t)r, "us-gov-east-1", 1);
}

/* Another list: who was told the old one is cut off. */
static void
another(void **state)
{
	static struct kms_targets	 ts;
	struct msglink			 old;

	(void)state;
	old = kms;
	memset(&ts, 0, sizeof(ts));
	row(&ts, KT_LOOPBACK, "127.0.0.1", "");
	give(&ts);
	reached(0, "", 0);
	msglink_close(&kms);
	kms = old;
	assert_int_equal(connect_to(KMS_TARGET, ""), 0);
	msglink_close(&kms);
}

static int
setup(void **state)
{
	struct sockaddr_in	 in;
	socklen_t		 len;
	int			 pair[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	memset(&in, 0, sizeof(in));
	in.sin_family = AF_INET;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	len = sizeof(in);
	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(server, 64), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&in, &len), 0);
	port = ntohs(in.sin_port);
	assert_int_equal(msg_pair(pair), 0);
	if ((child = fork()) == 0) {
		close(pair[0]);
		close(server);
		msglink_init(&parent, pair[1], 0);
		_exit(dial_loop(&parent));
	}
	assert_int_not_equal(child, -1);
	close(pair[1]);
	msglink_init(&parent, pair[0], 65536);
	return 0;
}

static int
teardown(void **state)
{
	int	 status;

	(void)state;
	msglink_close(&parent);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(labels),
		cmocka_unit_test(another),
	};

	return cmocka_run_group_tests_name("dial", tests, setup, teardown);
}
