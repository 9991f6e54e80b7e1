/* SPDX-License-Identifier: ISC */
/*
 * The commands of proxyctl(8), one row each.  A key is printed once, to the
 * caller's standard output or into a file of mode 0600, never elsewhere.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "proxyd/proxyctl/proxyctl.h"

const char command_usage[] =
    "usage: proxyctl [-j] [-S socket] command\n"
    "  status | reload | stop\n"
    "  agent list | agent create NAME [--description TEXT]\n"
    "  key list [--agent NAME]\n"
    "  key create --agent NAME --email ADDRESS [--expires DAYS] [--name TEXT]\n"
    "  key revoke KEY_ID\n"
    "  secret list | secret set [--now] NAME | secret import [--now] [FILE]\n"
    "  secret test NAME | secret delete NAME\n"
    "  first [--env FILE --listen ADDR:PORT [--admin FILE]] | admin-key\n";

struct opts {
	const char	*agent, *email, *name, *description, *env, *listen;
	const char	*admin;
	uint32_t	 days;
	uint64_t	 at;		/* wall ms */
};

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
	{ NULL, 0, NULL, 0 }
};

/* "2026-12-01T00:00:00Z", or "+5" seconds from now. */
static int
parse_time(const char *s, uint64_t *ms)
{
	struct tm	 tm;
	const char	*end, *errstr;
	long long	 v;

	if (*s == '+') {
		v = strtonum(s + 1, 1, 366LL * 86400, &errstr);
		*ms = ((uint64_t)time(NULL) + (uint64_t)v) * 1000;
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
parse_opts(struct opts *o, int argc, char **argv)
{
	const char	*errstr;
	int		 ch;

	memset(o, 0, sizeof(*o));
	o->days = 90;
	optind = 1;
	while ((ch = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (ch) {
		case 'a': o->agent = optarg; break;
		case 'e': o->email = optarg; break;
		case 'n': o->name = optarg; break;
		case 'd': o->description = optarg; break;
		case 'E': o->env = optarg; break;
		case 'L': o->listen = optarg; break;
		case 'A': o->admin = optarg; break;
		case 'x':
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

static int
complain(const struct answer *a)
{
	fprintf(stderr, "proxyctl: %s\n", a->n >= 2 ? a->f[1] : "refused");
	return a->status == 404 ? 3 : 1;
}

/* Send, then print each row; the exit code. */
static int
rows(int fd, struct msgw *w, const struct column *col, size_t n, int json)
{
	struct answer	 a;
	struct table	*t;

	if (ctl_send(fd, w) == -1 || (t = print_new(col, n, json)) == NULL)
		return 1;
	for (;;) {
		if (ctl_answer(fd, &a) == -1) {
			fprintf(stderr, "proxyctl: the gateway did not "
			    "answer\n");
			print_end(t);
			return 1;
		}
		if (a.status >= 400) {
			print_end(t);
			return complain(&a);
		}
		if (a.n > 0)
			print_row(t, &a);
		if (!a.more)
			break;
	}
	print_end(t);
	return 0;
}

/* One row wanted: into a; 0, or the exit code. */
static int
one(int fd, struct msgw *w, struct answer *a)
{
	struct answer	 last;

	if (ctl_send(fd, w) == -1 || ctl_answer(fd, a) == -1) {
		fprintf(stderr, "proxyctl: the gateway did not answer\n");
		return 1;
	}
	if (a->status >= 400)
		return complain(a);
	if (a->more && ctl_answer(fd, &last) == 0 && last.status >= 400)
		return complain(&last);
	return 0;
}

static int
cmd_status(int fd, int json, int argc, char **argv)
{
	struct msgw	 w;
	struct answer	 a;
	struct column	 col[] = { { "SECTION", "section" },
	    { "TEXT", "text" } };

	(void)argc;
	(void)argv;
	ctl_open(&w, M_ADMIN_STATUS);
	if (json)
		return rows(fd, &w, col, 2, json);
	if (ctl_send(fd, &w) == -1)
		return 1;
	do {
		if (ctl_answer(fd, &a) == -1) {
			fprintf(stderr, "proxyctl: the gateway did not "
			    "answer\n");
			return 1;
		}
		if (a.status >= 400)
			return complain(&a);
		if (a.n >= 2)
			printf("%s\n%s%s", a.f[0], a.f[1],
			    *a.f[1] != '\0' && a.f[1][strlen(a.f[1]) - 1] ==
			    '\n' ? "" : "\n");
	} while (a.more);
	return 0;
}

static int
cmd_simple(int fd, uint16_t type)
{
	struct msgw	 w;
	struct answer	 a;

	ctl_open(&w, type);
	return one(fd, &w, &a);
}

static int
cmd_stop(int fd, int json, int argc, char **argv)
{
	(void)json, (void)argc, (void)argv;
	return cmd_simple(fd, M_CTL_STOP);
}

static int
cmd_reload(int fd, int json, int argc, char **argv)
{
	(void)json, (void)argc, (void)argv;
	return cmd_simple(fd, M_CTL_RELOAD);
}

static int
cmd_adminkey(int fd, int json, int argc, char **argv)
{
	struct msgw	 w;
	struct answer	 a;
	int		 r;

	(void)json, (void)argc, (void)argv;
	ctl_open(&w, M_CTL_ADMINKEY);
	if ((r = one(fd, &w, &a)) != 0)
		return r;
	printf("%s\n", a.n > 0 ? a.f[0] : "");
	return 0;
}

static int
cmd_agent(int fd, int json, int argc, char **argv)
{
	struct column	 list[] = { { "AGENT", "agent" }, { "DESCRIPTION",
	    "description" }, { "CREATED", "created" }, { "KEYS", "keys" } };
	struct column	 made[] = { { "AGENT", "agent" } };
	struct opts	 o;
	struct msgw	 w;
	const char	*name;

	if (argc >= 2 && strcmp(argv[1], "list") == 0) {
		ctl_open(&w, M_ADMIN_AGENT_LIST);
		return rows(fd, &w, list, 4, json);
	}
	if (argc < 3 || strcmp(argv[1], "create") != 0)
		return 2;
	name = argv[2];
	if (parse_opts(&o, argc - 2, argv + 2) == -1)
		return 2;
	ctl_open(&w, M_ADMIN_AGENT_CREATE);
	msg_put_str(&w, name);
	msg_put_str(&w, o.description);
	return rows(fd, &w, made, 1, json);
}

static const struct column key_made[] = { { "KEY", "api_key" },
    { "KEY_ID", "key_id" }, { "AGENT", "agent" }, { "EMAIL", "email" },
    { "EXPIRES", "expires_at" }, { "AGENT_MADE", "agent_created" } };

static int
key_create(int fd, int json, const struct opts *o)
{
	struct msgw	 w;
	struct answer	 a;
	struct table	*t;
	int		 r;

	if (o->agent == NULL || o->email == NULL) {
		fprintf(stderr, "proxyctl: key create needs --agent and "
		    "--email\n");
		return 2;
	}
	ctl_open(&w, M_ADMIN_KEY_CREATE);
	msg_put_str(&w, o->agent);
	msg_put_str(&w, o->email);
	msg_put_str(&w, o->name);
	msg_put_u32(&w, o->days);
	msg_put_u64(&w, o->at);
	msg_put_u8(&w, 1);
	if ((r = one(fd, &w, &a)) != 0)
		return r;
	if (json) {
		if ((t = print_new(key_made, 6, 1)) == NULL)
			return 1;
		print_row(t, &a);
		print_end(t);
		return 0;
	}
	if (a.n < 6)
		return 1;
	if (strcmp(a.f[5], "1") == 0)
		printf("made agent %s\n", a.f[2]);
	printf("%s\nkey_id %s, agent %s, %s, expires %s\n"
	    "This is shown once.\n", a.f[0], a.f[1], a.f[2], a.f[3], a.f[4]);
	return 0;
}

static int
cmd_key(int fd, int json, int argc, char **argv)
{
	struct column	 list[] = { { "KEY_ID", "key_id" }, { "AGENT",
	    "agent" }, { "EMAIL", "email" }, { "NAME", "name" }, { "CREATED",
	    "created" }, { "EXPIRES", "expires" }, { "REVOKED", "revoked" },
	    { "LAST USED", "last_used" } };
	struct column	 revoked[] = { { "KEY_ID", "key_id" },
	    { "REVOKED", "revoked_at" } };
	struct opts	 o;
	struct msgw	 w;

	if (argc < 2)
		return 2;
	if (strcmp(argv[1], "revoke") == 0 && argc == 3) {
		ctl_open(&w, M_ADMIN_KEY_REVOKE);
		msg_put_str(&w, "");
		msg_put_str(&w, argv[2]);
		return rows(fd, &w, revoked, 2, json);
	}
	if (parse_opts(&o, argc - 1, argv + 1) == -1)
		return 2;
	if (strcmp(argv[1], "create") == 0)
		return key_create(fd, json, &o);
	if (strcmp(argv[1], "list") != 0)
		return 2;
	ctl_open(&w, M_ADMIN_KEY_LIST);
	msg_put_str(&w, o.agent);
	return rows(fd, &w, list, 8, json);
}

/* A file of mode 0600 in place of what was there. */
static int
write_file(const char *path, const char *text)
{
	char	 tmp[1024];
	size_t	 len;
	int	 fd;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return -1;
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	len = strlen(text);
	if (write(fd, text, len) != (ssize_t)len) {
		close(fd);
		return -1;
	}
	close(fd);
	return rename(tmp, path);
}

static void
env_text(char *out, size_t size, const char *listen, const char *key)
{
	char	 path[256];

	ctl_find(path, sizeof(path), NULL);
	snprintf(out, size,
	    "export OPENAI_BASE_URL=http://%s/v1\n"
	    "export OPENAI_API_KEY=%s\n"
	    "export ANTHROPIC_BASE_URL=http://%s\n"
	    "export ANTHROPIC_API_KEY=%s\n"
	    "export PROXYD_CONTROL=%s\n"
	    "unset ANTHROPIC_AUTH_TOKEN\n", listen, key, listen, key, path);
}

static int
cmd_first(int fd, int json, int argc, char **argv)
{
	struct opts	 o;
	struct msgw	 w;
	struct answer	 a;
	char		 text[2048];
	int		 r;

	(void)json;
	if (parse_opts(&o, argc, argv) == -1)
		return 2;
	ctl_open(&w, M_CTL_FIRST);
	msg_put_u8(&w, 1);
	msg_put_u64(&w, 0);
	if ((r = one(fd, &w, &a)) != 0)
		return r;
	if (a.n < 5)
		return 1;
	env_text(text, sizeof(text), o.listen != NULL ? o.listen :
	    "127.0.0.1:9620", a.f[0]);
	if (o.env == NULL) {
		printf("first developer key, agent %s, expires %s:\n\n%s\n",
		    a.f[2], a.f[3], text);
		if (*a.f[4] != '\0')
			printf("admin key, shown once: %s\n", a.f[4]);
		return 0;
	}
	if (write_file(o.env, text) == -1) {
		fprintf(stderr, "proxyctl: %s: %s\n", o.env, strerror(errno));
		return 1;
	}
	if (o.admin != NULL && *a.f[4] != '\0') {
		snprintf(text, sizeof(text), "export TAPPASS_ADMIN_API_KEY=%s\n",
		    a.f[4]);
		if (write_file(o.admin, text) == -1) {
			fprintf(stderr, "proxyctl: %s: %s\n", o.admin,
			    strerror(errno));
			return 1;
		}
	}
	return 0;
}

static const struct command {
	const char	*name;
	int		(*fn)(int, int, int, char **);
	int		 alone;		/* takes nothing */
} commands[] = {
	{ "status",	cmd_status,	1 },
	{ "stop",	cmd_stop,	1 },
	{ "reload",	cmd_reload,	1 },
	{ "agent",	cmd_agent,	0 },
	{ "key",	cmd_key,	0 },
	{ "secret",	cmd_secret,	0 },
	{ "first",	cmd_first,	0 },
	{ "admin-key",	cmd_adminkey,	1 },
};

int
command_run(int fd, int json, int argc, char **argv)
{
	size_t	 i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[0]) == 0)
			return commands[i].alone && argc > 1 ? 2 :
			    commands[i].fn(fd, json, argc, argv);
	return 2;
}
