/* SPDX-License-Identifier: ISC */

/*
 * An egress: the process that puts one provider's credential on the wire.
 * Lifecycle only; see egress.h for what it believes and must never do.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/role.h"
#include "keybrokerd/egress/egress.h"
#include "keybrokerd/egress/upstream.h"

#define BUNDLE_MAX	(8 * 1024 * 1024)

/* The CA bundle, or nothing if there is no such descriptor. */
static uint8_t *
bundle(size_t *len)
{
	uint8_t	*p;
	ssize_t	 n;

	*len = 0;
	p = malloc(BUNDLE_MAX);
	if (p == NULL)
		fatal("CA bundle");
	/* Its offset is shared with the egress that starts beside this one. */
	while (*len < BUNDLE_MAX) {
		n = pread(ROLE_FD_EXTRA, p + *len, BUNDLE_MAX - *len,
		    (off_t)*len);
		if (n == -1 && errno == EBADF)
			break;
		if (n == -1)
			fatal("CA bundle");
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	if (*len == BUNDLE_MAX)
		fatalx("CA bundle: over %d bytes", BUNDLE_MAX);
	close(ROLE_FD_EXTRA);
	return p;
}

int
main(void)
{
	struct role_exec	 exec;
	struct event_base	*base;
	static struct msglink	 channel;
	char			 text[256];
	uint8_t			*pem;
	size_t			 len;
	uint32_t		 bits;

	role_load("egress", &exec);
	if (egress_configure(ROLE_FD_BLOB, exec.instance) == -1)
		fatalx("no provider %u in the policy blob", exec.instance);
	close(ROLE_FD_BLOB);
	pem = bundle(&len);
	if (secret_pool(EGRESS_SLOTS) == -1 &&
	    secret_pool(EGRESS_FEWSLOTS) == -1)
		fatal("secret memory");
	base = event_base_new();
	if (base == NULL)
		fatalx("event base");
	context_share();
	if (upstream_init(base, pem, len, text, sizeof(text)) == -1)
		fatalx("%s", text);
	free(pem);
	egress_init(base);
	role_confine(&exec, egress_sandbox(), text, sizeof(text), &bits);
	role_ready(&channel, bits, text);
	return egress_loop(&channel);
}
