/* SPDX-License-Identifier: ISC */

/*
 * One exchange of the kms role against a real service, from the shell:
 *	kmsdrive fetch|generate|wrap|unwrap URI [-w WRAPPED] [-k KEYHEX]
 *	    [-v VERSION] [-c NAME=VALUE]... [-f VARIABLE=PATH]... [-p CA.pem]
 * Variables come from its environment, files by -f.  Prints one line:
 *	CLASS wrapped=BASE64 key=HEX wait=MS id=KEYID text=...
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/kms/kms.h"
#include "common/text/text.h"
#include "regress/unit/kms/drive.h"

static char *
slurp(const char *path)
{
	char	*p;
	size_t	 n;
	FILE	*f;

	f = fopen(path, "r");
	p = calloc(1, 1024 * 1024);
	if (f == NULL || p == NULL) {
		fprintf(stderr, "kmsdrive: %s\n", path);
		exit(2);
	}
	n = fread(p, 1, 1024 * 1024 - 1, f);
	p[n] = '\0';
	fclose(f);
	return p;
}

static void
variables(struct drive *d)
{
	const struct kms_var	*v;
	const char		*s;
	char			*fact;
	size_t			 n;

	for (v = kms_vars, n = 0; v->name != NULL; v++) {
		s = getenv(v->name);
		if (s == NULL || n + 1 == DRIVE_FACTS)
			continue;
		if (asprintf(&fact, "%s=%s", v->name, s) == -1)
			exit(2);
		d->env[n++] = fact;
	}
}

static void
add_file(struct drive *d, char *arg)
{
	char	*path, *fact;
	size_t	 n;

	for (n = 0; d->file[n] != NULL; n++)
		;
	path = strchr(arg, '=');
	if (path == NULL || n + 1 == DRIVE_FACTS)
		exit(2);
	*path++ = '\0';
	if (asprintf(&fact, "%s=%s", arg, slurp(path)) == -1)
		exit(2);
	d->file[n] = fact;
}

/* Two length-prefixed strings more. */
static size_t
add_context(uint8_t *out, size_t len, char *arg)
{
	char	*part[2];
	size_t	 i, n;

	part[0] = arg;
	part[1] = strchr(arg, '=');
	if (part[1] == NULL)
		exit(2);
	*part[1]++ = '\0';
	for (i = 0; i < 2; i++) {
		n = strlen(part[i]);
		out[len++] = (uint8_t)(n >> 8);
		out[len++] = (uint8_t)n;
		memcpy(out + len, part[i], n);
		len += n;
	}
	return len;
}

static int
operation(const char *s)
{
	static const char *const	 ops[] = { "", "fetch", "generate",
	    "wrap", "unwrap" };
	int				 i;

	for (i = 1; i < (int)nitems(ops); i++)
		if (strcmp(ops[i], s) == 0)
			return i;
	exit(2);
}

static void
show(const struct driven *r)
{
	static char	 wrapped[B64_SIZE(6200)];
	char		 key[HEX_SIZE(64)];

	b64_encode(wrapped, sizeof(wrapped), r->wrapped, r->wrappedlen,
	    B64_STD);
	hex_encode(key, sizeof(key), r->key, r->keylen);
	printf("%s wrapped=%s key=%s wait=%u id=%s text=%s\n",
	    drive_class(r->class), wrapped, key, r->wait, r->keyid, r->text);
}

int
main(int argc, char **argv)
{
	static struct drive	 d;
	static struct driven	 r;
	static uint8_t		 context[512], wrapped[8192], key[32];
	int			 c;

	if (argc < 3)
		return 2;
	d.op = operation(argv[1]);
	d.uri = argv[2];
	d.ms = 15000;
	d.context = context;
	d.wrapped = wrapped;
	d.key = key;
	optind = 3;
	while ((c = getopt(argc, argv, "w:k:v:c:f:p:")) != -1) {
		if (c == 'w')
			d.wrappedlen = (size_t)b64_decode(wrapped,
			    sizeof(wrapped), optarg, strlen(optarg), B64_STD);
		else if (c == 'k')
			d.keylen = (size_t)hex_decode(key, sizeof(key), optarg,
			    strlen(optarg));
		else if (c == 'v')
			d.version = optarg;
		else if (c == 'c')
			d.contextlen = add_context(context, d.contextlen,
			    optarg);
		else if (c == 'f')
			add_file(&d, optarg);
		else if (c == 'p')
			d.pem = slurp(optarg);
		else
			return 2;
	}
	variables(&d);
	if (drive_run(&d, &r) == -1) {
		printf("CONFIG wrapped= key= wait=0 id= text=%s\n", r.text);
		return 0;
	}
	show(&r);
	return 0;
}
