/* SPDX-License-Identifier: ISC */
/*
 * tlsconn PORT CAFILE STEP TOTAL: opens TLS connections to localhost, each with
 * one answered request, and keeps them idle.  After each STEP prints the number
 * and waits for a line on stdin; after TOTAL it waits for the end of stdin.
 */
#include <sys/resource.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tls.h>

#define MAX	4096

static struct tls	*conns[MAX];

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "tlsconn: %s: %s\n", what, why == NULL ? "?" : why);
	exit(1);
}

static struct tls *
open_one(struct tls_config *cfg, const char *port)
{
	static const char	 ask[] = "GET /health/live HTTP/1.1\r\n"
	    "Host: localhost\r\n\r\n";
	struct tls	*t;
	char		 buf[4096];
	ssize_t		 n;

	t = tls_client();
	if (t == NULL || tls_configure(t, cfg) == -1 ||
	    tls_connect(t, "localhost", port) == -1)
		die("connect", t == NULL ? NULL : tls_error(t));
	if (tls_write(t, ask, sizeof(ask) - 1) != (ssize_t)sizeof(ask) - 1)
		die("write", tls_error(t));
	n = tls_read(t, buf, sizeof(buf));
	if (n < 12 || memcmp(buf, "HTTP/1.1 200", 12) != 0)
		die("read", n == -1 ? tls_error(t) : "no 200");
	return t;
}

int
main(int argc, char **argv)
{
	struct tls_config	*cfg;
	struct rlimit		 rl;
	char			 line[16];
	int			 i, step, total;

	if (argc != 5 || (step = atoi(argv[3])) < 1 ||
	    (total = atoi(argv[4])) < 1 || total > MAX)
		die("usage", "PORT CAFILE STEP TOTAL");
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	cfg = tls_config_new();
	if (cfg == NULL || tls_config_set_ca_file(cfg, argv[2]) == -1)
		die("CA", cfg == NULL ? NULL : tls_config_error(cfg));
	for (i = 0; i < total; i++) {
		conns[i] = open_one(cfg, argv[1]);
		if ((i + 1) % step != 0)
			continue;
		printf("%d\n", i + 1);
		fflush(stdout);
		if (fgets(line, sizeof(line), stdin) == NULL)
			return 0;
	}
	while (fgets(line, sizeof(line), stdin) != NULL)
		continue;
	return 0;
}
