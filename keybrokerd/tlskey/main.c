/* SPDX-License-Identifier: ISC */
/* tlskey: lifecycle only; see tlskey.h for what it believes. */
#include <openssl/crypto.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/role.h"
#include "common/secret/secret.h"
#include "keybrokerd/tlskey/tlskey.h"

int
main(void)
{
	static struct msglink	 channel;
	struct role_exec	 facts;
	struct tlskey		*keys;
	char			 missing[256];
	uint32_t		 bits;

	role_load("tlskey", &facts);
	/* No system-wide openssl.cnf: what is done stands in these files. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
	    secret_pool(1) == -1 || (keys = tlskey_new()) == NULL)
		fatal("tlskey");
	role_confine(&facts, &tlskey_sandbox, missing, sizeof(missing), &bits);
	role_ready(&channel, bits, missing);
	return serve_loop(keys, &channel);
}
