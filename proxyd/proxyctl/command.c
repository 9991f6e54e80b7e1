/* SPDX-License-Identifier: ISC */
/*
 * The commands of proxyctl(8), one row each.  A key is printed once, to the
 * caller's standard output or into a file of mode 0600, never elsewhere.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/text/text.h"
#include "proxyd/proxyctl/proxyctl.h"

const char command_usage[] =
    "usage: proxyctl [-j] [-S socket] command\n"
    "  status | reload | stop\n"
    "  agent list | agent delete NAME\n"
    "  agent create NAME [--description TEXT] [--owner ADDRESS] [SCOPE]\n"
    "  agent set NAME [--description TEXT] [--owner ADDRESS] [SCOPE | --no-scope]\n"
    "  agent suspend NAME | agent resume NAME\n"
    "  key list [--agent NAME]\n"
    "  key create --agent NAME --email ADDRESS [--expires DAYS] [--name TEXT]\n"
    "      [--role developer | agent | auditor | admin] [SCOPE]\n"
    "  key revoke KEY_ID | key rotate KEY_ID [--grace SECONDS] "
    "[--expires DAYS]\n"
    "  (SCOPE: --providers A,B --models PATTERN,... --kinds KIND,...\n"
    "      --networks ADDRESS/BITS,...)\n"
    "  audit tail [--agent NAME] [--lines N] [--follow] | audit verify\n"
    "  audit list [--agent NAME] [--session ID]\n"
    "  spend [--agent NAME] | worker quarantine N\n"
    "  secret list | secret set [--now] NAME | secret import [--now] [FILE]\n"
    "  secret test NAME | secret delete NAME\n"
    "  vault status | vault rotate | vault import [FILE]\n"
    "  first [--env FILE --listen ADDR:PORT [--admin FILE]] | admin-key\n";

int
ctl_complain(struct answer *a)
{
	print_tame(a);
	fprintf(stderr, "proxyctl: %s\n", a->n >= 2 ? a->f[1] : "refused");
	return a->status == 404 ? 3 : 1;
}

/* Rows of one question into t; the cursor of the next, 0 none.  Exit code. */
static int
page(int fd, struct msgw *w, struct table *t, uint64_t *cursor)
{
	struct answer	 a;

	*cursor = 0;
	if (ctl_send(fd, w) == -1)
		return 1;
	for (;;) {
		if (ctl_answer(fd, &a) == -1) {
			fprintf(stderr, "proxyctl: the gateway did not "
			    "answer\n");
			return 1;
		}
		if (a.status >= 400)
			return ctl_complain(&a);
		if (!a.more)
			break;
		print_row(t, &a);
	}
	if (a.n > 0)
		*cursor = strtoull(a.f[0], NULL, 10);
	return 0;
}

int
ctl_rows(int fd, struct msgw *w, const struct column *col, size_t n, int json)
{
	struct table	*t;
	uint64_t	 cursor;
	int		 r;

	if ((t = print_new(col, n, json)) == NULL)
		return 1;
	r = page(fd, w, t, &cursor);
	print_end(t);
	return r;
}

int
ctl_pages(int fd, ctl_ask ask, const struct opts *o, const struct column *col,
    size_t n, int json)
{
	struct msgw	 w;
	struct table	*t;
	uint64_t	 cursor;
	int		 r;

	if ((t = print_new(col, n, json)) == NULL)
		return 1;
	cursor = 0;
	do {
		ask(&w, o, cursor);
		r = page(fd, &w, t, &cursor);
	} while (r == 0 && cursor != 0);
	print_end(t);
	return r;
}

/* One row wanted: into a; 0, or the exit code. */
int
ctl_one(int fd, struct msgw *w, struct answer *a)
{
	struct answer	 last;

	if (ctl_send(fd, w) == -1 || ctl_answer(fd, a) == -1) {
		fprintf(stderr, "proxyctl: the gateway did not answer\n");
		return 1;
	}
	if (a->status >= 400)
		return ctl_complain(a);
	if (a->more && ctl_answer(fd, &last) == 0 && last.status >= 400)
		return ctl_complain(&last);
	return 0;
}

/* A role may have made it: a terminal shows it and does not obey it. */
static void
print_text(char *text)
{
	size_t	 len;

	show_mask(text, '\n');
	len = strlen(text);
	printf("%s%s", text, len > 0 && text[len - 1] == '\n' ? "" : "\n");
}

static void
print_section(char *name, char *text)
{
	show_mask(name, '\0');
	printf("%s\n", name);
	print_text(text);
}

int
command_section(int fd, const char *only)
{
	struct msgw	 w;
	struct answer	 a;

	ctl_open(&w, M_ADMIN_STATUS);
	if (ctl_send(fd, &w) == -1)
		return 1;
	do {
		if (ctl_answer(fd, &a) == -1) {
			fprintf(stderr, "proxyctl: the gateway did not "
			    "answer\n");
			return 1;
		}
		if (a.status >= 400)
			return ctl_complain(&a);
		if (a.n < 2)
			continue;
		if (only == NULL)
			print_section(a.f[0], a.f[1]);
		else if (strcmp(a.f[0], only) == 0)
			print_text(a.f[1]);
	} while (a.more);
	return 0;
}

static int
cmd_status(int fd, int json, int argc, char **argv)
{
	struct msgw	 w;
	struct column	 col[] = { { "SECTION", "section" },
	    { "TEXT", "text" } };

	(void)argc;
	(void)argv;
	if (!json)
		return command_section(fd, NULL);
	ctl_open(&w, M_ADMIN_STATUS);
	return ctl_rows(fd, &w, col, 2, json);
}

static int
cmd_simple(int fd, uint16_t type)
{
	struct msgw	 w;
	struct answer	 a;

	ctl_open(&w, type);
	return ctl_one(fd, &w, &a);
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
	if ((r = ctl_one(fd, &w, &a)) != 0)
		return r;
	printf("%s\n", a.n > 0 ? a.f[0] : "");
	return 0;
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
	if (opts_parse(&o, argc, argv) == -1)
		return 2;
	ctl_open(&w, M_CTL_FIRST);
	msg_put_u8(&w, 1);
	msg_put_u64(&w, 0);
	if ((r = ctl_one(fd, &w, &a)) != 0)
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
	{ "audit",	cmd_audit,	0 },
	{ "spend",	cmd_spend,	0 },
	{ "worker",	cmd_worker,	0 },
	{ "secret",	cmd_secret,	0 },
	{ "vault",	cmd_vault,	0 },
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
