/* SPDX-License-Identifier: ISC */
/*
 * keybrokerd init: the vault key, once.  A file is made by `broker -i` alone.
 * With a KMS it takes what a start takes (ledger, dial, broker, kms), in the one
 * life in which the broker may have a wrapped key made; when it serves, all of
 * it ends.  The wrapped key is public: it is printed for the operator to store.
 */
#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/parent/keybrokerd.h"

#define PATIENCE	60	/* s, where the configuration does not say */

/*
 * The ledger made a database before the KMS said no, and the broker ended with
 * that: it writes nothing without a key.  The lock is ours.  Something in the
 * export directory says that this is not so, and then the database stays.
 */
static void
forget_database(struct keyd *k)
{
	static const char *const	 names[] = { "ledger/ledger.db",
	    "ledger/ledger.db-wal", "ledger/ledger.db-shm" };
	size_t				 i;

	if (faccessat(k->statefd, "export/checkpoint", F_OK,
	    AT_SYMLINK_NOFOLLOW) == 0)
		return;
	for (i = 0; i < nitems(names); i++)
		if (unlinkat(k->statefd, names[i], 0) == -1 && errno != ENOENT)
			log_warn("%s/%s", k->args.statedir, names[i]);
}

static int
from_kms(struct keyd *k)
{
	int	 code;

	if (state_open(k) == -1)
		return 1;
	if (!state_first_run(k)) {
		log_info("already initialised: %s/ledger holds a database; "
		    "nothing was made", k->args.statedir);
		return 0;
	}
	if (k->conf.kmsstart == 0)
		k->conf.kmsstart = PATIENCE;
	if (keyplace_choose(k, 0) == -1)
		return EX_CONFIG;
	code = keyd_once(k);
	if (!k->inited && (code == EX_TEMPFAIL || code == EX_CONFIG))
		forget_database(k);
	if (code == 0 && !k->inited)
		code = 1;
	if (code != 0)
		return code;
	if (!k->keymade) {
		log_info("initialised: %s gives the vault key; there is nothing "
		    "to store", k->kmsuri);
		return 0;
	}
	log_info("initialised: %s wrapped a new vault key, and unwrapped it "
	    "again.  Store this line with the configuration, as a copy of what "
	    "is in %s:", k->kmsuri, k->args.statedir);
	printf("TAPPASS_VAULT_DEK=%s\n", k->dek);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int
from_file(struct keyd *k)
{
	if (source_find(&k->sources, "TAPPASS_VAULT_KEY") != NULL) {
		log_info("TAPPASS_VAULT_KEY has the vault key; nothing to do");
		return 0;
	}
	if (access(k->conf.vaultkey, F_OK) == 0) {
		log_info("%s is there already; nothing to do",
		    k->conf.vaultkey);
		return 0;
	}
	if (args_mkdirs(k->args.confdir, 0755) == -1 || state_open(k) == -1)
		return 1;
	return keyplace_choose(k, 1) == -1 ? 1 : 0;
}

int
firstkey_command(int argc, char **argv)
{
	static struct keyd	 k;

	k.kmsfd = k.proxyd.fd = -1;
	k.proxyd.dead = 1;
	k.init = 1;
	if (source_inherit(&k.sources) == -1 ||
	    args_parse(&k.args, "keybrokerd init", argc, argv) == -1)
		return EX_CONFIG;
	log_parent("keybrokerd", 1);
	umask(077);
	if (kconf_load(&k.conf, &k.args) == -1)
		return EX_CONFIG;
	keyd_paths(&k.conf, &k.args);
	if (keyplace_read(&k) == -1)
		return EX_CONFIG;
	source_claim(&k);
	return k.kmsuri[0] != '\0' ? from_kms(&k) : from_file(&k);
}
