/* SPDX-License-Identifier: ISC */
/*
 * keybrokerd: first act is stage one (source.c): secrets out of the environment
 * into descriptors, then a new image with a clean one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keybrokerd/parent/keybrokerd.h"

static const char *
environment(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

/* What a start would refuse at once; nobody is asked. */
static int
check_kms(void)
{
	static struct kms_targets	 hosts;
	const char			*uri;
	char				 why[256];

	uri = getenv("TAPPASS_VAULT_KEY_KMS");
	if (uri == NULL || *uri == '\0' || kmstarget_list(&hosts, uri,
	    environment, NULL, why, sizeof(why)) == 0)
		return 0;
	fprintf(stderr, "keybrokerd: %s\n", why);
	return -1;
}

static int
check(int argc, char **argv)
{
	static struct kconf	 c;
	struct args		 a;

	if (args_parse(&a, "keybrokerd", argc, argv) == -1)
		return 78;
	if (a.version) {
		printf("keybrokerd %s\n", PROXYD_VERSION);
		return 0;
	}
	if (!a.check)
		return -1;
	if (kconf_load(&c, &a) == -1 || check_kms() == -1)
		return 78;
	if (a.verbose)
		fputs(kconf_default, stdout);
	printf("configuration ok: %zu providers, %zu models\n", c.nproviders,
	    c.nmodels);
	return 0;
}

int
main(int argc, char *argv[])
{
	const char	*stage;
	int		 init, r;

	init = argc > 1 && strcmp(argv[1], "init") == 0;
	stage = getenv("KEYBROKERD_STAGE");
	if (stage != NULL && strcmp(stage, "2") == 0)
		return init ? firstkey_command(argc - 1, argv + 1) :
		    keyd_run(argc, argv);
	if (!init && (r = check(argc, argv)) != -1)
		return r;
	return source_stage_one(argc, argv) == -1 ? 1 : 0;
}
