/* SPDX-License-Identifier: ISC */

/* The address policy, row by row. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include "keybrokerd/dial/dial.h"

/* tls, plain: is the address allowed for such a connection? */
static const struct {
	const char	*text;
	int		 tls, plain;
} rows[] = {
	{ "127.0.0.1", 1, 1 },
	{ "127.255.255.254", 1, 1 },
	{ "::1", 1, 1 },
	{ "::ffff:127.0.0.1", 1, 1 },
	{ "10.0.0.1", 1, 0 },
	{ "192.168.1.1", 1, 0 },
	{ "172.16.0.1", 1, 0 },
	{ "93.184.216.34", 1, 0 },
	{ "128.0.0.1", 1, 0 },
	{ "126.255.255.255", 1, 0 },
	{ "2606:4700::1111", 1, 0 },
	{ "fd12:3456::1", 1, 0 },
	{ "::ffff:10.0.0.1", 1, 0 },
	{ "169.254.169.254", 0, 0 },
	{ "169.254.0.1", 0, 0 },
	{ "169.253.255.255", 1, 0 },
	{ "169.255.0.0", 1, 0 },
	{ "::ffff:169.254.169.254", 0, 0 },
	{ "::169.254.169.254", 0, 0 },
	{ "64:ff9b::169.254.169.254", 0, 0 },
	{ "2002:a9fe:a9fe::1", 0, 0 },
	{ "100.100.100.200", 0, 0 },
	{ "168.63.129.16", 0, 0 },
	{ "fd00:ec2::254", 0, 0 },
	{ "fd00:ec2::253", 1, 0 },
	{ "fd20:ce::254", 0, 0 },
	{ "fe80::1", 0, 0 },
	{ "febf::1", 0, 0 },
	{ "fec0::1", 1, 0 },
	{ "0.0.0.0", 0, 0 },
	{ "0.1.2.3", 0, 0 },
	{ "::", 0, 0 },
	{ "::ffff:0.0.0.0", 0, 0 },
	{ "224.0.0.1", 0, 0 },
	{ "239.255.255.255", 0, 0 },
	{ "255.255.255.255", 0, 0 },
	{ "240.0.0.1", 0, 0 },
	{ "ff02::1", 0, 0 },
};

static void
parse(const char *text, struct sockaddr_storage *ss)
{
	struct sockaddr_in	 in;
	struct sockaddr_in6	 in6;

	memset(ss, 0, sizeof(*ss));
	memset(&in, 0, sizeof(in));
	memset(&in6, 0, sizeof(in6));
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		in.sin_family = AF_INET;
		in.sin_port = htons(443);
		memcpy(ss, &in, sizeof(in));
		return;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	in6.sin6_family = AF_INET6;
	in6.sin6_port = htons(443);
	memcpy(ss, &in6, sizeof(in6));
}

static void
policy(void **state)
{
	struct sockaddr_storage	 ss;
	const char		*why;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		parse(rows[i].text, &ss);
		why = address_refused((struct sockaddr *)&ss, 0);
		if ((why == NULL) != rows[i].tls)
			fail_msg("%s with tls: %s", rows[i].text,
			    why == NULL ? "allowed" : why);
		why = address_refused((struct sockaddr *)&ss, 1);
		if ((why == NULL) != rows[i].plain)
			fail_msg("%s plain: %s", rows[i].text,
			    why == NULL ? "allowed" : why);
	}
}

static void
other_family(void **state)
{
	struct sockaddr_storage	 ss;

	(void)state;
	memset(&ss, 0, sizeof(ss));
	ss.ss_family = AF_UNIX;
	assert_non_null(address_refused((struct sockaddr *)&ss, 0));
}

static void
text(void **state)
{
	struct sockaddr_storage	 ss;
	char			 out[64];

	(void)state;
	parse("127.0.0.1", &ss);
	address_text((struct sockaddr *)&ss, out, sizeof(out));
	assert_string_equal(out, "127.0.0.1:443");
	parse("::1", &ss);
	address_text((struct sockaddr *)&ss, out, sizeof(out));
	assert_string_equal(out, "[::1]:443");
}

/* Literals need no resolver; localhost is a name like any other. */
static void
literals(void **state)
{
	struct resolved	 r;
	char		 out[64];

	(void)state;
	memset(&r, 0, sizeof(r));
	assert_int_equal(resolve_get(&r, "127.0.0.1", 8080, 0), 0);
	assert_int_equal(r.n, 1);
	address_text((struct sockaddr *)&r.addr[0], out, sizeof(out));
	assert_string_equal(out, "127.0.0.1:8080");
	memset(&r, 0, sizeof(r));
	assert_int_equal(resolve_get(&r, "::1", 8080, 0), 0);
	address_text((struct sockaddr *)&r.addr[0], out, sizeof(out));
	assert_string_equal(out, "[::1]:8080");
	memset(&r, 0, sizeof(r));
	assert_int_equal(resolve_get(&r, "no such name", 80, 0), -1);
	assert_non_null(strstr(r.why, "cannot be resolved"));
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(policy),
		cmocka_unit_test(other_family),
		cmocka_unit_test(text),
		cmocka_unit_test(literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
