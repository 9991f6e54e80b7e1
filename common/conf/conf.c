/* SPDX-License-Identifier: ISC */
/*
 * The lexer of both configuration grammars.  Runs in the parents before they
 * spawn anything; its input is the administrator's, believed in content but
 * bounded in size, depth and number of expansions.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/compat/compat.h"
#include "common/conf/conf.h"

#define FILE_MAX	(256 * 1024)
#define TOKEN_MAX_	8192
#define INCLUDE_MAX	8
#define MACRO_MAX	8	/* one inside the other */
#define EXPANSIONS_MAX	4096	/* in all: no exponential texts */

/* A file's text; kept until conf_close for conf_hash and for names. */
struct source {
	struct source	*next;
	char		*name, *text;
	size_t		 len;
};

struct macro {
	struct macro	*next;
	char		*name, *value;
};

/* Where reading goes on: a file, or the text of a macro. */
struct frame {
	const char	*text;
	char		*owned;		/* macro text, freed when done */
	size_t		 len, off;
	struct source	*src;		/* a macro's: where it was used */
	int		 line;
	int		 lead, tail;	/* newlines that no byte stands for */
};

struct conf {
	struct source	*sources, **last;
	struct macro	*macros;
	struct frame	 frame[INCLUDE_MAX + MACRO_MAX + 1];
	int		 depth, includes, nmacros, expansions, errors;
	const char	*errname;	/* of the token that was given last */
	int		 errline;
};

/* Whole file, at most FILE_MAX; NULL with errno. */
static char *
slurp(const char *path, size_t *len)
{
	struct stat	 st;
	char		*buf;
	ssize_t		 n;
	int		 fd, saved;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return NULL;
	buf = NULL;
	*len = 0;
	if (fstat(fd, &st) == -1)
		goto out;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		goto out;
	}
	buf = malloc(FILE_MAX + 1);
	if (buf == NULL)
		goto out;
	do {
		n = read(fd, buf + *len, FILE_MAX + 1 - *len);
		if (n > 0)
			*len += n;
	} while (n > 0 && *len <= FILE_MAX);
	if (n != 0) {
		if (n > 0)
			errno = EFBIG;
		free(buf);
		buf = NULL;
	}
out:
	saved = errno;
	close(fd);
	errno = saved;
	return buf;
}

static void
source_free(struct source *s)
{
	if (s == NULL)
		return;
	free(s->name);
	free(s->text);
	free(s);
}

/* Takes text (malloc'ed, len bytes); NULL with errno. */
static struct source *
source_add(struct conf *c, const char *name, char *text, size_t len)
{
	struct source	*s;

	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		free(text);
		return NULL;
	}
	s->text = text;
	s->len = len;
	s->name = strdup(name);
	if (s->name == NULL || memchr(text, '\0', len) != NULL) {
		if (s->name != NULL)
			errno = EILSEQ;
		source_free(s);
		return NULL;
	}
	*c->last = s;
	c->last = &s->next;
	return s;
}

static void
push_source(struct conf *c, struct source *s, int lead)
{
	struct frame	*f;

	f = &c->frame[c->depth++];
	memset(f, 0, sizeof(*f));
	f->text = s->text;
	f->len = s->len;
	f->src = s;
	f->line = 1;
	f->lead = lead;
	f->tail = 1;
}

/* See conf.h.  NULL with errno; EFBIG over 256 KiB, EILSEQ a NUL byte. */
struct conf *
conf_open(const char *path, const char *text)
{
	struct conf	*c;
	struct source	*s;
	char		*buf;
	size_t		 len;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->last = &c->sources;
	c->errname = path;
	if (text != NULL) {
		len = strlen(text);
		buf = strdup(text);
	} else
		buf = slurp(path, &len);
	s = buf == NULL ? NULL : source_add(c, path, buf, len);
	if (s == NULL) {
		conf_close(c);
		return NULL;
	}
	push_source(c, s, 0);
	c->errname = s->name;
	c->errline = 1;
	return c;
}

/* NULL is legal. */
void
conf_close(struct conf *c)
{
	struct source	*s;
	struct macro	*m;
	int		 saved;

	if (c == NULL)
		return;
	saved = errno;
	while ((s = c->sources) != NULL) {
		c->sources = s->next;
		source_free(s);
	}
	while ((m = c->macros) != NULL) {
		c->macros = m->next;
		free(m->name);
		free(m->value);
		free(m);
	}
	while (c->depth > 0)
		free(c->frame[--c->depth].owned);
	free(c);
	errno = saved;
}

/* See conf.h; the place is that of the last token. */
void
conf_error(struct conf *c, const char *fmt, ...)
{
	char	 line[1200];
	va_list	 ap;
	size_t	 len;
	int	 n;

	c->errors++;
	n = snprintf(line, sizeof(line) - 1, "%s:%d: ", c->errname,
	    c->errline);
	if (n < 0 || (size_t)n >= sizeof(line) - 1)
		return;
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	va_end(ap);
	len = strlcat(line, "\n", sizeof(line));
	if (write(STDERR_FILENO, line, len) == -1)
		return;		/* it is counted */
}

/* 0 means that the text may be used. */
int
conf_errors(const struct conf *c)
{
	return c->errors;
}

static int
fail(struct conf *c, const char *what, const char *name)
{
	conf_error(c, "%s: %s", name, what);
	return -1;
}

static int
name_char(int ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
	    (ch >= '0' && ch <= '9') || ch == '_';
}

static struct macro *
macro_find(struct conf *c, const char *name, size_t len)
{
	struct macro	*m;

	for (m = c->macros; m != NULL; m = m->next)
		if (strlen(m->name) == len && memcmp(m->name, name, len) == 0)
			return m;
	return NULL;
}

/* name = "value"; the last one counts.  -1 after conf_error. */
int
conf_macro(struct conf *c, const char *name, const char *value)
{
	struct macro	*m;
	const char	*p;
	char		*copy;

	for (p = name; name_char(*p); p++)
		continue;
	if (p == name || *p != '\0')
		return fail(c, "no name for a macro", name);
	m = macro_find(c, name, strlen(name));
	copy = strdup(value);
	if (copy == NULL)
		return fail(c, strerror(errno), name);
	if (m == NULL) {
		m = calloc(1, sizeof(*m));
		if (m != NULL)
			m->name = strdup(name);
		if (m == NULL || m->name == NULL) {
			free(m);
			free(copy);
			return fail(c, strerror(errno), name);
		}
		m->next = c->macros;
		c->macros = m;
	}
	free(m->value);
	m->value = copy;
	return 0;
}

/* path, below the directory of the file that is read if it is relative. */
static int
include_path(const struct conf *c, const char *path, char *out, size_t size)
{
	const char	*from, *slash;
	int		 n;

	from = c->depth == 0 ? "" : c->frame[c->depth - 1].src->name;
	slash = strrchr(from, '/');
	if (path[0] == '/' || slash == NULL)
		n = snprintf(out, size, "%s", path);
	else
		n = snprintf(out, size, "%.*s/%s", (int)(slash - from), from,
		    path);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* Its tokens come next.  -1 after conf_error. */
int
conf_include(struct conf *c, const char *path)
{
	struct source	*s;
	char		 full[PATH_MAX], *buf;
	size_t		 len;

	if (c->includes >= INCLUDE_MAX)
		return fail(c, "includes are too deep", path);
	if (include_path(c, path, full, sizeof(full)) == -1)
		return fail(c, strerror(ENAMETOOLONG), path);
	buf = slurp(full, &len);
	s = buf == NULL ? NULL : source_add(c, full, buf, len);
	if (s == NULL)
		return fail(c, strerror(errno), full);
	c->includes++;
	push_source(c, s, 1);
	return 0;
}

/* See conf.h; file by file in the order of reading. */
void
conf_hash(struct conf *c, void (*fn)(void *, const void *, size_t), void *arg)
{
	const struct source	*s;

	for (s = c->sources; s != NULL; s = s->next)
		fn(arg, s->text, s->len);
}

/* ---- tokens ---------------------------------------------------------------- */

/* The byte at off + ahead of a frame; -1 behind the end. */
static int
peek(const struct frame *f, size_t ahead)
{
	return f->off + ahead < f->len ?
	    (unsigned char)f->text[f->off + ahead] : -1;
}

static int
word_char(int ch)
{
	return ch > 0x20 && ch != 0x7f && strchr("{}(),=<>;\"#$\\", ch) == NULL;
}

/* Length of a line continuation at this place, 0 none. */
static size_t
continuation(const struct frame *f)
{
	if (peek(f, 0) != '\\')
		return 0;
	if (peek(f, 1) == '\n')
		return 2;
	return peek(f, 1) == '\r' && peek(f, 2) == '\n' ? 3 : 0;
}

/* Blanks, continued lines and comments. */
static void
skip_blank(struct frame *f)
{
	size_t	 n;
	int	 ch;

	for (;;) {
		ch = peek(f, 0);
		n = continuation(f);
		if (n > 0) {
			f->off += n;
			f->line++;
		} else if (ch == ' ' || ch == '\t' || ch == '\r')
			f->off++;
		else if (ch == '#') {
			while (ch != -1 && ch != '\n') {
				f->off++;
				ch = peek(f, 0);
			}
		} else
			return;
	}
}

static void
pop(struct conf *c)
{
	struct frame	*f;

	f = &c->frame[--c->depth];
	if (f->owned != NULL)
		c->nmacros--;
	else if (c->depth > 0)
		c->includes--;
	free(f->owned);
	f->owned = NULL;
}

/* $name: its text comes next.  0, or CONF_ERROR. */
static int
expand(struct conf *c, struct frame *f)
{
	struct frame	*n;
	struct macro	*m;
	const char	*name;
	size_t		 len;

	f->off++;
	name = f->text + f->off;
	for (len = 0; name_char(peek(f, len)); len++)
		continue;
	f->off += len;
	m = macro_find(c, name, len);
	if (m == NULL) {
		conf_error(c, "macro \"%.*s\" is not defined",
		    len > 64 ? 64 : (int)len, name);
		return CONF_ERROR;
	}
	if (c->nmacros >= MACRO_MAX || c->expansions >= EXPANSIONS_MAX) {
		conf_error(c, "macro \"%s\": too many expansions", m->name);
		return CONF_ERROR;
	}
	n = &c->frame[c->depth];
	memset(n, 0, sizeof(*n));
	n->owned = strdup(m->value);
	if (n->owned == NULL) {
		conf_error(c, "%s", strerror(errno));
		return CONF_ERROR;
	}
	n->text = n->owned;
	n->len = strlen(n->owned);
	n->src = f->src;
	n->line = f->line;
	c->depth++;
	c->nmacros++;
	c->expansions++;
	return 0;
}

/* "...": -1 after conf_error, else its bytes in out, terminated. */
static int
quoted(struct conf *c, struct frame *f, char *out)
{
	size_t	 n;
	int	 ch;

	f->off++;
	for (n = 0; (ch = peek(f, 0)) != '"'; out[n++] = ch) {
		if (ch == -1 || ch == '\n') {
			conf_error(c, "string does not end on its line");
			return -1;
		}
		if (n == TOKEN_MAX_ - 1) {
			conf_error(c, "string is too long");
			f->off = f->len;
			return -1;
		}
		if (ch == '\\' && (peek(f, 1) == '"' || peek(f, 1) == '\\')) {
			f->off++;
			ch = peek(f, 0);
		}
		f->off++;
	}
	f->off++;
	out[n] = '\0';
	return 0;
}

static int
word(struct conf *c, struct frame *f, char *out)
{
	size_t	 n;
	int	 ch;

	for (n = 0; word_char(ch = peek(f, 0)); out[n++] = ch) {
		if (n == TOKEN_MAX_ - 1) {
			conf_error(c, "word is too long");
			f->off = f->len;
			return -1;
		}
		f->off++;
	}
	out[n] = '\0';
	return 0;
}

static int
is_number(const char *s)
{
	if (*s == '-')
		s++;
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

static int
keyword_cmp(const void *key, const void *row)
{
	const struct conf_keyword	*k;

	k = row;
	return strcmp(key, k->name);
}

/* The next byte that is a token's, over frame ends; 0 if a newline is due. */
static int
advance(struct conf *c, struct frame **fp)
{
	struct frame	*f;

	for (;;) {
		f = &c->frame[c->depth - 1];
		*fp = f;
		c->errname = f->src->name;
		c->errline = f->line;
		if (f->lead) {
			f->lead = 0;
			return 0;
		}
		skip_blank(f);
		c->errline = f->line;
		if (f->off < f->len)
			return (unsigned char)f->text[f->off];
		if (f->tail) {
			f->tail = 0;
			return 0;
		}
		if (c->depth == 1)
			return -1;
		pop(c);
	}
}

/* See conf.h. */
int
conf_lex(struct conf *c, const struct conf_keyword *keywords, size_t n,
    int string_token, int number_token, char **str, int64_t *num)
{
	const struct conf_keyword	*k;
	struct frame			*f;
	char				 buf[TOKEN_MAX_];
	const char			*why;
	int				 ch;

	while ((ch = advance(c, &f)) == '$')
		if (expand(c, f) != 0)
			return CONF_ERROR;
	if (ch <= 0)
		return ch == -1 ? 0 : '\n';
	if (ch == '\n') {
		f->off++;
		f->line++;
		return '\n';
	}
	if (ch != '"' && !word_char(ch)) {
		f->off++;
		if (ch > 0x20 && ch != 0x7f)
			return ch;
		conf_error(c, "control character 0x%02x", ch);
		return CONF_ERROR;
	}
	if ((ch == '"' ? quoted(c, f, buf) : word(c, f, buf)) == -1)
		return CONF_ERROR;
	k = ch == '"' || n == 0 ? NULL :
	    bsearch(buf, keywords, n, sizeof(*keywords), keyword_cmp);
	if (k != NULL)
		return k->token;
	if (ch != '"' && is_number(buf)) {
		*num = strtonum(buf, INT64_MIN, INT64_MAX, &why);
		if (why == NULL)
			return number_token;
		conf_error(c, "number %.40s is %s", buf, why);
		return CONF_ERROR;
	}
	*str = strdup(buf);
	if (*str == NULL) {
		conf_error(c, "%s", strerror(errno));
		return CONF_ERROR;
	}
	return string_token;
}
