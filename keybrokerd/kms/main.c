/* SPDX-License-Identifier: ISC */

/* kms: lifecycle only; see kms.h for what it believes and must never do. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/role.h"
#include "keybrokerd/kms/kms.h"

#define BUNDLE_MAX	(8 * 1024 * 1024)

/* A descriptor's content; nothing if there is none. */
static uint8_t *
content(int fd, size_t max, size_t *len)
{
	uint8_t	*p;
	ssize_t	 n;

	*len = 0;
	p = malloc(max);
	if (p == NULL)
		fatal("out of memory");
	/* Its offset is shared with every other role that has it. */
	while (*len < max) {
		n = pread(fd, p + *len, max - *len, (off_t)*len);
		if (n == -1 && errno == EBADF)
			break;
		if (n == -1)
			fatal("descriptor %d", fd);
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	if (*len == max)
		fatalx("descriptor %d: over %zu bytes", fd, max);
	close(fd);
	return p;
}

int
main(void)
{
	static struct kms_targets	 targets;
	static struct msglink		 channel;
	struct role_exec		 exec;
	char				 text[256];
	uint8_t				*blob, *pem;
	size_t				 bloblen, pemlen;
	uint32_t			 bits;

	role_load("kms", &exec);
	blob = content(ROLE_FD_BLOB, KMS_BLOB_MAX + 1, &bloblen);
	if (kmstarget_decode(&targets, blob, bloblen) == -1)
		fatalx("no list of hosts in the blob");
	free(blob);
	if (arena_init() == -1)
		fatal("secret memory");
	pem = content(ROLE_FD_EXTRA, BUNDLE_MAX, &pemlen);
	if (https_init(pem, pemlen, text, sizeof(text)) == -1)
		fatalx("%s", text);
	role_confine(&exec, kms_sandbox(), text, sizeof(text), &bits);
	role_ready(&channel, bits, text);
	return kms_loop(&channel, &targets);
}
