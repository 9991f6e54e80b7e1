/* SPDX-License-Identifier: ISC */

/*
 * What the parent sent: values of variables, contents of files.  Each life of
 * this role gets them anew, so that a token that was replaced on disk is read
 * again for every exchange.
 */

#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/compat/compat.h"
#include "common/secret/memfd.h"
#include "keybrokerd/kms/kms.h"

#define FACTS	96

struct fact {
	const char	*name, *value;
	size_t		 len;
	int		 file;
};

static struct fact	facts[FACTS];
static size_t		nfacts;

/* The whole of it, at most KMS_FILE_MAX; memfd_secret can only be mapped. */
static char *
content(int fd, int map, size_t *len)
{
	char	*to;
	void	*p;
	ssize_t	 n;
	off_t	 size;

	size = memfd_size(fd);
	if (size < 0 || size > KMS_FILE_MAX ||
	    (!map && lseek(fd, 0, SEEK_SET) == -1))
		return NULL;
	to = arena_new((size_t)size + 1);
	if (to == NULL)
		return NULL;
	*len = 0;
	if (map && size > 0) {
		p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			return NULL;
		memcpy(to, p, (size_t)size);
		munmap(p, (size_t)size);
		*len = (size_t)size;
	}
	while (!map && *len < (size_t)size) {
		n = read(fd, to + *len, (size_t)size - *len);
		if (n == 0)
			break;
		if (n == -1 && errno != EINTR)
			return NULL;
		if (n > 0)
			*len += (size_t)n;
	}
	to[*len] = '\0';
	return to;
}

int
facts_add(int kind, int mode, const char *name, int fd)
{
	const struct kms_var	*v;
	struct fact		*f;
	char			*text;
	size_t			 len;

	v = kmsvar_find(name);
	text = fd == -1 || (v == NULL && strcmp(name,
	    "TAPPASS_VAULT_KEY_KMS") != 0) || nfacts == FACTS ? NULL :
	    content(fd, mode == SRC_MAP, &len);
	if (fd != -1)
		close(fd);
	if (text == NULL)
		return -1;
	f = &facts[nfacts++];
	f->name = v == NULL ? "TAPPASS_VAULT_KEY_KMS" : v->name;
	f->value = text;
	f->len = len;
	f->file = kind == SRC_KMS_FILE;
	return 0;
}

static const struct fact *
find(const char *name, int file)
{
	size_t	 i;

	for (i = 0; i < nfacts; i++)
		if (facts[i].file == file && strcmp(facts[i].name, name) == 0)
			return &facts[i];
	return NULL;
}

const char *
facts_env(const char *name)
{
	const struct fact	*f;

	f = find(name, 0);
	if (f == NULL || f->len == 0 || strlen(f->value) != f->len)
		return NULL;
	return f->value;
}

int
facts_true(const char *name)
{
	const char	*v;

	v = facts_env(name);
	return v != NULL && (strcasecmp(v, "true") == 0 ||
	    strcmp(v, "1") == 0);
}

const char *
facts_file(const char *name, size_t *len)
{
	const struct fact	*f;

	f = find(name, 1);
	if (f == NULL)
		return NULL;
	*len = f->len;
	return f->value;
}

const char *
facts_token(const char *name)
{
	const char	*p;
	size_t		 len, i;

	p = facts_file(name, &len);
	if (p == NULL)
		return NULL;
	if (len > 0 && p[len - 1] == '\n')
		len--;
	for (i = 0; i < len; i++)
		if ((unsigned char)p[i] <= ' ' || (unsigned char)p[i] > 126)
			return NULL;
	return len == 0 ? NULL : arena_dup(p, len);
}
