/* SPDX-License-Identifier: ISC */
/*
 * Makes the vault key.  Holds the new key for some milliseconds, believes its
 * parent, and must never leave a key file behind that it has not read back and
 * used: everything later depends on these 45 bytes.
 */
#include <sys/random.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/role.h"
#include "common/text/text.h"
#include "keybrokerd/broker/init.h"
#include "keybrokerd/broker/vault.h"

#define FILE_LEN	(VAULT_KEY_TEXT + 1)
#define SLOTS		16

static void
fill(void *arg, void *buf, size_t len)
{
	uint8_t	*p = buf;
	ssize_t	 n;

	(void)arg;
	while (len > 0) {
		n = getrandom(p, len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			fatal("getrandom");
		p += n;
		len -= (size_t)n;
	}
}

static const struct rng	rng = { fill, NULL };

int
init_wanted(int argc, char **argv)
{
	return (argc > 0 && strcmp(argv[0], "broker -i") == 0) ||
	    (argc > 1 && strcmp(argv[1], "-i") == 0);
}

/* The text of a new key into the file, down to the disk; as a secret. */
static struct secret *
write_key(int fd)
{
	struct secret	*key, *text;
	ssize_t		 n;

	key = secret_new(VAULT_KEY);
	text = secret_new(FILE_LEN);
	if (key == NULL || text == NULL)
		goto bad;
	fill(NULL, secret_bytes(key), VAULT_KEY);
	n = b64_encode((char *)secret_bytes(text), FILE_LEN,
	    secret_bytes(key), VAULT_KEY, B64_STD);
	if (n != VAULT_KEY_TEXT)
		goto bad;
	secret_bytes(text)[VAULT_KEY_TEXT] = '\n';
	n = write(fd, secret_bytes(text), FILE_LEN);
	if (n != FILE_LEN) {
		if (n >= 0)
			errno = ENOSPC;
		goto bad;
	}
	if (fsync(fd) == -1)
		goto bad;
	secret_free(&key);
	return text;
bad:
	secret_free(&key);
	secret_free(&text);
	return NULL;
}

/* What stands in the file is what was written, and nothing else. */
static struct secret *
read_back(int fd, struct secret *text)
{
	struct secret	*back;
	ssize_t		 n;

	back = secret_new(FILE_LEN + 1);
	if (back == NULL)
		return NULL;
	n = -1;
	if (lseek(fd, 0, SEEK_SET) == 0)
		n = read(fd, secret_bytes(back), FILE_LEN + 1);
	if (n != FILE_LEN || !secret_equal(secret_bytes(back),
	    secret_bytes(text), FILE_LEN)) {
		secret_free(&back);
		errno = EIO;
		return NULL;
	}
	secret_resize(back, FILE_LEN);
	return back;
}

int
init_write(int fd)
{
	struct vault	 v;
	struct secret	*text, *back, *dek;
	int		 rv;

	if (lseek(fd, 0, SEEK_END) != 0) {
		errno = EEXIST;
		return -1;
	}
	rv = -1;
	back = dek = NULL;
	text = write_key(fd);
	if (text != NULL)
		back = read_back(fd, text);
	if (back != NULL)
		dek = vault_key_parse(back, 1);
	if (dek != NULL && vault_init(&v, &dek) == 0) {
		rv = vault_prove(&v, &rng);
		vault_close(&v);
	}
	secret_free(&text);
	secret_free(&back);
	return rv;
}

void
init_run(void)
{
	struct role_exec	 ex;
	struct stat		 st;
	char			 missing[256];
	uint32_t		 bits;

	role_load("broker -i", &ex);
	if (fstat(ROLE_FD_EXTRA, &st) == -1 || !S_ISREG(st.st_mode))
		fatalx("descriptor 6 is no file for the vault key");
	if (secret_pool(SLOTS) == -1)
		fatal("memory for secrets");
	if (vault_prepare() == -1)
		fatal("AES-256-GCM");
	role_confine(&ex, &init_sandbox, missing, sizeof(missing), &bits);
	if (init_write(ROLE_FD_EXTRA) == -1)
		fatal("vault key");
	_exit(0);
}
