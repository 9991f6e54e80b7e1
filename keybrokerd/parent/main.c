/* SPDX-License-Identifier: ISC */
/*
 * keybrokerd: first act is stage one (source.c): secrets out of the environment
 * into descriptors, then a new image with a clean one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keybrokerd/parent/keybrokerd.h"

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
	if (kconf_load(&c, &a) == -1)
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
	int		 r;

	stage = getenv("KEYBROKERD_STAGE");
	if (stage != NULL && strcmp(stage, "2") == 0)
		return keyd_run(argc, argv);
	if (argc > 1 && strcmp(argv[1], "init") == 0)
		return keyd_init_command(argc - 1, argv + 1);
	if ((r = check(argc, argv)) != -1)
		return r;
	return source_stage_one(argc, argv) == -1 ? 1 : 0;
}
