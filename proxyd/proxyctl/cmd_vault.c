/* SPDX-License-Identifier: ISC */
/*
 * proxyctl vault: the vault as a whole.  import reads "NAME<TAB>ciphertext"
 * lines and hands them on in small messages, several under way at once; the
 * broker opens each and seals it anew.  No plaintext is ever here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "proxyd/proxyctl/proxyctl.h"

#define LINE		6144	/* bytes of a line */
#define MESSAGE		7168	/* bytes of a message; its limit is 8192 */
#define WINDOW		16	/* messages without an answer yet */

/* A message that grows, and what was sent before it. */
struct import {
	int		 fd, json;
	FILE		*in;
	struct msgw	 w;
	uint16_t	 n;
	unsigned int	 waiting;
	char		 stored[32];	/* as the last answer said */
};

static void
message(struct import *im, unsigned long line)
{
	ctl_open(&im->w, M_CTL_VAULT_IMPORT);
	msg_put_u32(&im->w, (uint32_t)line);
	msg_put_u8(&im->w, 0);
	msg_put_u16(&im->w, 0);
	im->n = 0;
}

/* One answer, all of its rows.  0, or the exit code. */
static int
answered(struct import *im)
{
	struct answer	 a;

	do {
		if (ctl_answer(im->fd, &a) == -1) {
			fprintf(stderr, "proxyctl: the gateway did not "
			    "answer\n");
			return 1;
		}
		if (a.status >= 400)
			return ctl_complain(&a);
		if (a.more && a.n > 0)
			strlcpy(im->stored, a.f[0], sizeof(im->stored));
	} while (a.more);
	im->waiting--;
	return 0;
}

/* What is composed goes; the last one waits for all answers. */
static int
flush(struct import *im, int last)
{
	int	 r;

	im->w.buf[8] = (uint8_t)last;
	im->w.buf[9] = (uint8_t)(im->n >> 8);
	im->w.buf[10] = (uint8_t)im->n;
	if (ctl_send(im->fd, &im->w) == -1) {
		fprintf(stderr, "proxyctl: the gateway does not listen\n");
		return 1;
	}
	im->waiting++;
	while (im->waiting >= WINDOW || (last && im->waiting > 0))
		if ((r = answered(im)) != 0)
			return r;
	return 0;
}

/* Name and ciphertext of a line; 0 there is nothing, -1 it has another form. */
static int
split(char *s, char **name, char **text)
{
	s[strcspn(s, "\r\n")] = '\0';
	if (*s == '\0' || *s == '#')
		return 0;
	*name = s;
	s = strchr(s, '\t');
	if (s == NULL || s == *name)
		return -1;
	*s++ = '\0';
	*text = s;
	return strncmp(s, "v1:", 3) == 0 && strchr(s, '\t') == NULL ? 1 : -1;
}

static int
bad(unsigned long line, const char *why)
{
	fprintf(stderr, "proxyctl: line %lu %s: it ends here\n", line, why);
	return 1;
}

static int
take(struct import *im)
{
	char		 s[LINE], *name, *text;
	unsigned long	 line;
	int		 r;

	message(im, 1);
	for (line = 1; fgets(s, sizeof(s), im->in) != NULL; line++) {
		if (strchr(s, '\n') == NULL && strlen(s) == sizeof(s) - 1)
			return bad(line, "is too long");
		if ((r = split(s, &name, &text)) == -1)
			return bad(line, "is not NAME, a tab, v1:...");
		/* a message's lines follow each other without a gap */
		if (im->n > 0 && (r == 0 || im->w.len + strlen(name) +
		    strlen(text) + 4 > MESSAGE)) {
			if (flush(im, 0) != 0)
				return 1;
			message(im, line);
		}
		if (r == 0) {
			message(im, line + 1);
			continue;
		}
		msg_put_str(&im->w, name);
		msg_put_str(&im->w, text);
		im->n++;
	}
	if (ferror(im->in)) {
		fprintf(stderr, "proxyctl: %s\n", strerror(errno));
		return 1;
	}
	return flush(im, 1);
}

static int
cmd_import(int fd, int json, int argc, char **argv)
{
	struct import	*im;
	int		 r;

	if (argc > 1 || (im = calloc(1, sizeof(*im))) == NULL)
		return 2;
	im->fd = fd;
	im->in = argc == 1 ? fopen(argv[0], "re") : stdin;
	if (im->in == NULL) {
		fprintf(stderr, "proxyctl: %s: %s\n", argv[0],
		    strerror(errno));
		free(im);
		return 1;
	}
	r = take(im);
	if (r == 0)
		printf(json ? "{\"stored\": %s}\n" : "%s values stored\n",
		    im->stored);
	if (im->in != stdin)
		fclose(im->in);
	free(im);
	return r;
}

static int
cmd_rotate(int fd, int json, int argc, char **argv)
{
	static const struct column	 col[] = { { "CHANGED", "changed" },
	    { "KEY", "kid" }, { "PREVIOUS", "previous_kid" },
	    { "RECORDS", "records" }, { "PENDING", "pending" } };
	struct msgw			 w;

	(void)argv;
	if (argc != 0)
		return 2;
	ctl_open(&w, M_ADMIN_VAULT_ROTATE);
	return ctl_rows(fd, &w, col, 5, json);
}

static int
cmd_state(int fd, int json, int argc, char **argv)
{
	(void)json;
	(void)argv;
	return argc != 0 ? 2 : command_section(fd, "vault");
}

int
cmd_vault(int fd, int json, int argc, char **argv)
{
	static const struct {
		const char	*name;
		int		(*fn)(int, int, int, char **);
	} table[] = {
		{ "import", cmd_import }, { "rotate", cmd_rotate },
		{ "status", cmd_state },
	};
	size_t	 i;

	for (i = 0; argc >= 2 && i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(argv[1], table[i].name) == 0)
			return table[i].fn(fd, json, argc - 2, argv + 2);
	return 2;
}
