/* SPDX-License-Identifier: ISC */
/* Long options of the commands; each command uses those it knows. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/compat/compat.h"
#include "proxyd/proxyctl/proxyctl.h"

static const struct option longopts[] = {
	{ "agent",	 required_argument, NULL, 'a' },
	{ "email",	 required_argument, NULL, 'e' },
	{ "expires",	 required_argument, NULL, 'x' },
	{ "expires-at",	 required_argument, NULL, 't' },
	{ "name",	 required_argument, NULL, 'n' },
	{ "description", required_argument, NULL, 'd' },
	{ "env",	 required_argument, NULL, 'E' },
	{ "listen",	 required_argument, NULL, 'L' },
	{ "admin",	 required_argument, NULL, 'A' },
	{ "role",	 required_argument, NULL, 'r' },
	{ "owner",	 required_argument, NULL, 'o' },
	{ "providers",	 required_argument, NULL, 'P' },
	{ "models",	 required_argument, NULL, 'M' },
	{ "kinds",	 required_argument, NULL, 'K' },
	{ "networks",	 required_argument, NULL, 'N' },
	{ "grace",	 required_argument, NULL, 'g' },
	{ "no-scope",	 no_argument,	    NULL, 'u' },
	{ "follow",	 no_argument,	    NULL, 'f' },
	{ "lines",	 required_argument, NULL, 'l' },
	{ "session",	 required_argument, NULL, 's' },
	{ NULL, 0, NULL, 0 }
};

/* "2026-12-01T00:00:00Z", or "+5" seconds from now. */
static int
parse_time(const char *s, uint64_t *ms)
{
	struct timespec	 now;
	struct tm	 tm;
	const char	*end, *errstr;
	long long	 v;

	if (*s == '+') {
		v = strtonum(s + 1, 1, 366LL * 86400, &errstr);
		/* Whole seconds from now: time(2) would lose up to one. */
		(void)clock_gettime(CLOCK_REALTIME, &now);
		*ms = ((uint64_t)now.tv_sec + (uint64_t)v) * 1000 +
		    (uint64_t)now.tv_nsec / 1000000;
		return errstr == NULL ? 0 : -1;
	}
	memset(&tm, 0, sizeof(tm));
	end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end == NULL || *end != '\0')
		return -1;
	*ms = (uint64_t)timegm(&tm) * 1000;
	return 0;
}

static int
number(const char *s, long long min, long long max, const char *what,
    uint32_t *out)
{
	const char	*errstr;

	*out = (uint32_t)strtonum(s, min, max, &errstr);
	if (errstr == NULL)
		return 0;
	fprintf(stderr, "proxyctl: %s is %lld to %lld\n", what, min, max);
	return -1;
}

int
opts_parse(struct opts *o, int argc, char **argv)
{
	const char	*errstr;
	int		 ch;

	memset(o, 0, sizeof(*o));
	o->days = 90;
	o->grace = 86400;
	o->lines = 20;
	optind = 1;
	while ((ch = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (ch) {
		case 'a': o->agent = optarg; break;
		case 's': o->session = optarg; break;
		case 'e': o->email = optarg; break;
		case 'n': o->name = optarg; break;
		case 'd': o->description = optarg; break;
		case 'E': o->env = optarg; break;
		case 'L': o->listen = optarg; break;
		case 'A': o->admin = optarg; break;
		case 'r': o->role = optarg; break;
		case 'o': o->owner = optarg; break;
		case 'P': o->scope[0] = optarg; break;
		case 'M': o->scope[1] = optarg; break;
		case 'K': o->scope[2] = optarg; break;
		case 'N': o->scope[3] = optarg; break;
		case 'f': o->follow = 1; break;
		case 'u': o->unscoped = 1; break;
		case 'l':
			if (number(optarg, 1, 5000, "--lines", &o->lines) == -1)
				return -1;
			break;
		case 'g':
			if (number(optarg, 0, 30 * 86400, "--grace",
			    &o->grace) == -1)
				return -1;
			break;
		case 'x':
			o->fixed = 1;
			o->days = (uint32_t)strtonum(optarg, 1, 365, &errstr);
			if (errstr != NULL) {
				fprintf(stderr, "proxyctl: --expires is 1 to "
				    "365 days\n");
				return -1;
			}
			break;
		case 't':
			if (parse_time(optarg, &o->at) == -1) {
				fprintf(stderr, "proxyctl: --expires-at is "
				    "YYYY-MM-DDThh:mm:ssZ or +SECONDS\n");
				return -1;
			}
			break;
		default:
			return -1;
		}
	}
	return 0;
}

/* --providers and so on as the broker's scope.h wants them. */
void
opts_scope(const struct opts *o, char *out, size_t size)
{
	static const char	 letter[] = "pmkn";
	size_t			 i, n;

	out[0] = '\0';
	for (i = n = 0; i < 4; i++) {
		if (o->scope[i] == NULL)
			continue;
		n += (size_t)snprintf(out + n, n < size ? size - n : 0,
		    "%s%c=%s", n == 0 ? "" : " ", letter[i], o->scope[i]);
		if (n >= size)
			break;
	}
}
