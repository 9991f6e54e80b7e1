/* SPDX-License-Identifier: ISC */
/*
 * Log lines.  Believes no line of a child: its level is one digit, control
 * characters are escaped, its rate is bounded, and the name in front of it is
 * the parent's.  Must never hold a secret or a body, never block a role (its
 * pipe is non-blocking: lines that do not fit are counted and told later) and
 * never change errno.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define LINE_MAX_	1000
#define BUCKETS		64	/* children share one only by hash */
#define BURST		200
#define PER_SECOND	20

enum log_to { TO_STDERR, TO_PIPE, TO_SYSLOG };

struct bucket {
	uint32_t	 tokens, dropped;
	time_t		 since;
};

static int		 exit_code = 1;	/* of fatal, fatalx */
static struct {
	enum log_to	 to;
	int		 fd;
	int		 verbose;
	char		 name[32];
	uint32_t	 lost;		/* lines that the pipe had no room for */
	struct bucket	 bucket[BUCKETS];
} state = { TO_STDERR, 2, 0, "", 0, { { 0, 0, 0 } } };

/* Appends text, what a terminal would obey as \xNN; returns the new length. */
static size_t
escape(char *out, size_t size, size_t off, const char *text, size_t len)
{
	static const char	 hex[] = "0123456789abcdef";
	unsigned char		 c;
	size_t			 i, n;

	for (i = 0; i < len; i += n) {
		n = show_char(text + i, len - i);
		if (n > 0) {
			if (n >= size - off)
				break;
			memcpy(out + off, text + i, n);
			off += n;
			continue;
		}
		n = 1;
		c = text[i];
		if (off + 4 >= size)
			break;
		out[off++] = '\\';
		out[off++] = 'x';
		out[off++] = hex[c >> 4];
		out[off++] = hex[c & 15];
	}
	return off;
}

static int
priority(enum log_level level)
{
	static const int	 map[] = {
		[LOG_L_DEBUG] = LOG_DEBUG, [LOG_L_INFO] = LOG_INFO,
		[LOG_L_WARN] = LOG_WARNING, [LOG_L_ERR] = LOG_ERR
	};

	return map[level];
}

/* In a role: "<level digit> text\n", or one more lost line. */
static void
write_pipe(enum log_level level, const char *text, size_t len)
{
	char	 line[LINE_MAX_ + 32];
	size_t	 n;

	n = 0;
	line[n++] = '0' + level;
	line[n++] = ' ';
	if (state.lost > 0)
		n += snprintf(line + n, 28, "[%u lines lost] ", state.lost);
	if (len > sizeof(line) - n - 1)
		len = sizeof(line) - n - 1;
	memcpy(line + n, text, len);
	n += len;
	line[n++] = '\n';
	if (write(state.fd, line, n) == (ssize_t)n)
		state.lost = 0;
	else
		state.lost++;
}

/* text is escaped already and at most LINE_MAX_ bytes. */
static void
emit(enum log_level level, const char *text, size_t len)
{
	char	 line[LINE_MAX_ + 64];
	int	 n;

	if (state.to == TO_PIPE) {
		write_pipe(level, text, len);
		return;
	}
	if (state.to == TO_SYSLOG) {
		syslog(priority(level), "%.*s", (int)len, text);
		return;
	}
	n = snprintf(line, sizeof(line), "%s%s%.*s\n", state.name,
	    state.name[0] == '\0' ? "" : ": ", (int)len, text);
	if (n > 0 && write(state.fd, line, n) == -1)
		return;		/* nobody is left to be told */
}

static void	 vlog(enum log_level, int, const char *, va_list)
		    __attribute__((format(printf, 3, 0)));

static void
vlog(enum log_level level, int error, const char *fmt, va_list ap)
{
	char	 raw[LINE_MAX_], line[LINE_MAX_];
	size_t	 len;
	int	 n, saved;

	saved = errno;
	if (level == LOG_L_DEBUG && !state.verbose)
		return;
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	len = n < 0 ? 0 : (size_t)n;
	if (len >= sizeof(raw))
		len = sizeof(raw) - 1;
	if (error != 0) {
		(void)snprintf(raw + len, sizeof(raw) - len, ": %s",
		    strerror(error));
		len = strlen(raw);
	}
	len = escape(line, sizeof(line), 0, raw, len);
	emit(level, line, len);
	errno = saved;
}

/* A role's lines go to its parent through fd. */
void
log_role(const char *name, int fd)
{
	state.to = TO_PIPE;
	state.fd = fd;
	strlcpy(state.name, name, sizeof(state.name));
}

/* A parent's lines go to stderr if asked or without a syslog socket. */
void
log_parent(const char *name, int tostderr)
{
	strlcpy(state.name, name, sizeof(state.name));
	state.fd = 2;
	state.to = TO_STDERR;
	if (tostderr || access("/dev/log", W_OK) == -1)
		return;
	openlog(state.name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	state.to = TO_SYSLOG;
}

/* Debug lines are written too, or not. */
void
log_verbose(int on)
{
	state.verbose = on;
}

/* 1 if this child may log now; PER_SECOND after a burst. */
static int
allowed(const char *who, uint32_t *dropped)
{
	struct timespec	 ts;
	struct bucket	*b;
	uint32_t	 h;
	uint64_t	 more;

	for (h = 2166136261u; *who != '\0'; who++)
		h = (h ^ (unsigned char)*who) * 16777619u;
	b = &state.bucket[h % BUCKETS];
	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (b->since == 0) {
		b->tokens = BURST;
		b->since = ts.tv_sec + 1;
	} else if (ts.tv_sec + 1 > b->since) {
		more = (uint64_t)(ts.tv_sec + 1 - b->since) * PER_SECOND;
		b->tokens = more > BURST - b->tokens ? BURST :
		    b->tokens + (uint32_t)more;
		b->since = ts.tv_sec + 1;
	}
	*dropped = b->dropped;
	if (b->tokens == 0) {
		b->dropped++;
		return 0;
	}
	b->tokens--;
	b->dropped = 0;
	return 1;
}

/* A child's line, with or without its newline; who is the parent's name of it. */
void
log_child(const char *who, const char *line, size_t len)
{
	char		 out[LINE_MAX_];
	enum log_level	 level;
	uint32_t	 dropped;
	size_t		 off;
	int		 saved;

	saved = errno;
	level = LOG_L_INFO;
	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len >= 2 && line[0] >= '0' && line[0] <= '3' && line[1] == ' ') {
		level = line[0] - '0';
		line += 2;
		len -= 2;
	}
	if ((level == LOG_L_DEBUG && !state.verbose) ||
	    !allowed(who, &dropped)) {
		errno = saved;
		return;
	}
	off = escape(out, sizeof(out), 0, who, strnlen(who, 64));
	off = escape(out, sizeof(out), off, ": ", 2);
	if (dropped > 0)
		off += snprintf(out + off, 32, "[%u lines dropped] ", dropped);
	off = escape(out, sizeof(out), off, line, len);
	emit(level, out, off);
	errno = saved;
}

/* One line each of its level; log_warn adds errno's text, log_warnx none. */
void
log_debug(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vlog(LOG_L_DEBUG, 0, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vlog(LOG_L_INFO, 0, fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vlog(LOG_L_WARN, 0, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vlog(LOG_L_WARN, errno, fmt, ap);
	va_end(ap);
}

void
log_exit(int code)
{
	exit_code = code;
}

/* The end of this process; no exit handlers, no stdio. */
void
fatal(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vlog(LOG_L_ERR, errno, fmt, ap);
	va_end(ap);
	_exit(exit_code);
}

/* The same without errno. */
void
fatalx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vlog(LOG_L_ERR, 0, fmt, ap);
	va_end(ap);
	_exit(exit_code);
}
