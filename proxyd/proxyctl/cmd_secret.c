/* SPDX-License-Identifier: ISC */
/*
 * proxyctl secret: provider keys.  A value is read from a terminal without echo
 * or from a pipe, never from the command line, and is wiped as soon as it was
 * sent; only fingerprints come back.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "proxyd/proxyctl/proxyctl.h"

#define VALUE	(CREDENTIAL_MAX + 2)
#define IMPORT	(64 * 1024)

static const struct column	list_cols[] = {
	{ "NAME", "name" }, { "PROVIDER", "provider" },
	{ "SOURCE", "source" }, { "STATE", "state" }, { "SINCE", "since" },
	{ "FINGERPRINT", "fingerprint" }, { "LAST USED", "last_used" },
	{ "NOTE", "note" },
};
static const struct column	set_cols[] = {
	{ "NAME", "name" }, { "FINGERPRINT", "fingerprint" },
	{ "STATE", "state" }, { "NOTE", "note" },
};
static const struct column	test_cols[] = {
	{ "NAME", "name" }, { "FINGERPRINT", "fingerprint" },
	{ "RESULT", "result" }, { "STATUS", "status" }, { "NOTE", "note" },
};
static const struct column	delete_cols[] = {
	{ "NAME", "name" }, { "NOTE", "note" },
};

#define N(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- the value ----------------------------------------------------------- */

static int
echo(int fd, int on)
{
	struct termios	 t;

	if (tcgetattr(fd, &t) == -1)
		return -1;
	if (on)
		t.c_lflag |= ECHO;
	else
		t.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(fd, TCSAFLUSH, &t);
}

/* Up to the end or, from a terminal, the end of the line; -1: said. */
static ssize_t
take(int fd, char *buf, size_t size, int line)
{
	ssize_t	 n;
	size_t	 len;

	for (len = 0; len < size; len += (size_t)n) {
		n = read(fd, buf + len, size - len);
		if (n == -1 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n == -1) {
			fprintf(stderr, "proxyctl: %s\n", strerror(errno));
			return -1;
		}
		if (n == 0 || (line && memchr(buf + len, '\n', (size_t)n)))
			return (ssize_t)(len + (size_t)n);
	}
	fprintf(stderr, "proxyctl: the value is too long\n");
	return -1;
}

/* Signals wait while the terminal does not echo, so that it always does. */
static ssize_t
ask(const char *name, char *buf, size_t size)
{
	sigset_t	 all, old;
	ssize_t		 n;

	sigemptyset(&all);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGTSTP);
	sigprocmask(SIG_BLOCK, &all, &old);
	fprintf(stderr, "%s: ", name);
	if (echo(STDIN_FILENO, 0) == -1) {
		fprintf(stderr, "proxyctl: the terminal cannot be silenced\n");
		n = -1;
	} else {
		n = take(STDIN_FILENO, buf, size, 1);
		echo(STDIN_FILENO, 1);
		fprintf(stderr, "\n");
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return n;
}

/* ---- commands ------------------------------------------------------------ */

static int
say(int fd, struct msgw *w, const struct column *col, size_t n, int json)
{
	struct answer	 a;
	struct table	*t;
	int		 sent;

	sent = ctl_send(fd, w);
	explicit_bzero(w->buf, sizeof(w->buf));
	if (sent == -1 || (t = print_new(col, n, json)) == NULL) {
		fprintf(stderr, "proxyctl: the gateway does not listen\n");
		return 1;
	}
	for (;;) {
		if (ctl_answer(fd, &a) == -1) {
			fprintf(stderr, "proxyctl: the gateway did not "
			    "answer\n");
			print_end(t);
			return 1;
		}
		if (a.status >= 400) {
			print_end(t);
			return ctl_complain(&a);
		}
		if (a.n > 0)
			print_row(t, &a);
		if (!a.more)
			break;
	}
	print_end(t);
	return 0;
}

static int
send_value(int fd, int json, const char *name, int now, const char *p,
    size_t len)
{
	struct msgw	 w;

	ctl_open(&w, M_CTL_SECRET_SET);
	msg_put_str(&w, name);
	msg_put_u8(&w, (uint8_t)now);
	msg_put_blob(&w, p, len);
	return say(fd, &w, set_cols, N(set_cols), json);
}

static int
cmd_set(int fd, int json, int argc, char **argv)
{
	char	 buf[VALUE];
	ssize_t	 n;
	int	 now, r;

	now = argc > 0 && strcmp(argv[0], "--now") == 0;
	argc -= now;
	argv += now;
	if (argc != 1) {
		if (argc > 1)
			fprintf(stderr, "proxyctl: a value is never given on "
			    "the command line: it is asked for, or read from "
			    "a pipe\n");
		return 2;
	}
	n = isatty(STDIN_FILENO) ? ask(argv[0], buf, sizeof(buf)) :
	    take(STDIN_FILENO, buf, sizeof(buf), 0);
	r = 1;
	if (n != -1)
		r = send_value(fd, json, argv[0], now, buf, (size_t)n);
	explicit_bzero(buf, sizeof(buf));
	return r;
}

/* NAME=value, with export and quotes as in a rendered file; 0 nothing there. */
static int
import_line(char *s, char **name, char **value)
{
	char	*end, quote;

	s += strspn(s, " \t");
	if (*s == '\0' || *s == '#')
		return 0;
	if (strncmp(s, "export", 6) == 0 && (s[6] == ' ' || s[6] == '\t'))
		s += 6 + strspn(s + 6, " \t");
	*name = s;
	s += strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_");
	if (s == *name || *s != '=')
		return -1;
	*s++ = '\0';
	quote = *s == '"' || *s == '\'' ? *s++ : '\0';
	*value = s;
	end = s + strlen(s);
	while (end > s && (end[-1] == ' ' || end[-1] == '\t' ||
	    end[-1] == '\r'))
		end--;
	if (quote != '\0' && (end == s || *--end != quote))
		return -1;
	*end = '\0';
	return strpbrk(s, "\"'\\") == NULL ? 1 : -1;
}

static int
import_text(int fd, int json, int now, char *text)
{
	char	*line, *name, *value;
	int	 n, r, worst;

	worst = 0;
	for (n = 1; (line = strsep(&text, "\n")) != NULL; n++) {
		r = import_line(line, &name, &value);
		if (r == -1) {
			fprintf(stderr, "proxyctl: line %d is not "
			    "NAME=value\n", n);
			worst = 1;
		}
		if (r != 1)
			continue;
		r = send_value(fd, json, name, now, value, strlen(value));
		if (r > worst)
			worst = r;
	}
	return worst;
}

static int
cmd_import(int fd, int json, int argc, char **argv)
{
	struct stat	 st;
	char		*buf;
	ssize_t		 n;
	int		 in, now, r;

	now = argc > 0 && strcmp(argv[0], "--now") == 0;
	argc -= now;
	argv += now;
	if (argc > 1)
		return 2;
	in = argc == 1 ? open(argv[0], O_RDONLY | O_NONBLOCK | O_CLOEXEC) :
	    STDIN_FILENO;
	if (in == -1 || (argc == 1 && (fstat(in, &st) == -1 ||
	    !S_ISREG(st.st_mode)))) {
		fprintf(stderr, "proxyctl: %s: not a file that can be read\n",
		    argv[0]);
		return 1;
	}
	if ((buf = calloc(1, IMPORT + 1)) == NULL)
		return 1;
	n = take(in, buf, IMPORT, 0);
	r = n == -1 ? 1 : import_text(fd, json, now, buf);
	explicit_bzero(buf, IMPORT + 1);
	free(buf);
	if (in != STDIN_FILENO)
		close(in);
	return r;
}

static int
cmd_list(int fd, int json, int argc, char **argv)
{
	struct msgw	 w;

	(void)argv;
	if (argc != 0)
		return 2;
	ctl_open(&w, M_ADMIN_SECRET_LIST);
	return say(fd, &w, list_cols, N(list_cols), json);
}

static int
cmd_name(int fd, int json, uint16_t type, const struct column *col, size_t n,
    int argc, char **argv)
{
	struct msgw	 w;

	if (argc != 1)
		return 2;
	ctl_open(&w, type);
	msg_put_str(&w, argv[0]);
	return say(fd, &w, col, n, json);
}

static int
cmd_test(int fd, int json, int argc, char **argv)
{
	return cmd_name(fd, json, M_CTL_SECRET_TEST, test_cols, N(test_cols),
	    argc, argv);
}

static int
cmd_delete(int fd, int json, int argc, char **argv)
{
	return cmd_name(fd, json, M_CTL_SECRET_DELETE, delete_cols,
	    N(delete_cols), argc, argv);
}

int
cmd_secret(int fd, int json, int argc, char **argv)
{
	static const struct {
		const char	*name;
		int		(*fn)(int, int, int, char **);
	} table[] = {
		{ "list", cmd_list }, { "set", cmd_set },
		{ "import", cmd_import }, { "test", cmd_test },
		{ "delete", cmd_delete },
	};
	size_t	 i;

	for (i = 0; argc >= 2 && i < N(table); i++)
		if (strcmp(argv[1], table[i].name) == 0)
			return table[i].fn(fd, json, argc - 2, argv + 2);
	return 2;
}
