/* SPDX-License-Identifier: ISC */
/*
 * keybrokerd.conf(5).  The grammar of the manual page, over the lexer of
 * common/conf.  Runs in the keybrokerd parent only.
 */
%{
#include <sys/types.h>

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/conf/conf.h"
#include "common/policy/policy.h"
#include "keybrokerd/parent/keybrokerd.h"

#define TIME_MAX	(30 * 86400)	/* seconds */

static struct conf	*file;
static struct kconf	*conf;
static struct provider	*prov;

static int	 yylex(void);
static void	 yyerror(const char *);
static int	 copy(char *, size_t, char *, const char *);
static int	 provider_new(char *);
static int	 model_new(char *, char *, int64_t);
static void	 set_dialect(int);
static void	 set_auth(int);
static void	 set_url(char *);
static int	 secret_add(char [][256], size_t *, char *, const char *);
static void	 set_proxy(char *);
static int	 envname(const char *);
static int	 plain_query(const char *);
static int	 seconds(char *, uint32_t *);
%}

%union {
	char	*str;
	int64_t	 num;
	uint32_t secs;
}
%token ANTHROPIC APIKEY AUDIT AUTH BARE BEARER CA CHECK CONTROL CREATED
%token DEADLINE DEPLOYMENT DEVELOPMENT DIALECT DIRECTORY ENV FFILE INCLUDE
%token INSECURE KEY KMS MODEL NEVER NONE OFF OPENAI ORIGIN PATH PERMISSIVE
%token PROVIDER PROXY QUERY REGION SANDBOX SECRETS SIGVFOUR STALE URL VAULT
%token WATCH XAPIKEY XGOOGAPIKEY
%token <str> STRING
%token <num> NUMBER
%type <str> word
%type <secs> time

%%
grammar	: /* empty */
	| grammar '\n'
	| grammar line '\n'
	| grammar error '\n'
	;
line	: DEVELOPMENT		{ conf->development = 1; }
	| SANDBOX PERMISSIVE	{ conf->permissive = 1; }
	| CONTROL STRING	{
		if (copy(conf->control, sizeof(conf->control), $2,
		    "control path") == -1)
			YYERROR;
	}
	| VAULT KEY FFILE STRING {
		if (copy(conf->vaultkey, sizeof(conf->vaultkey), $4,
		    "vault key file") == -1)
			YYERROR;
	}
	| SECRETS DIRECTORY STRING {
		if (secret_add(conf->secretdir, &conf->nsecretdirs, $3,
		    "secrets directory") == -1)
			YYERROR;
	}
	| SECRETS FFILE STRING	{
		if (secret_add(conf->secretfile, &conf->nsecretfiles, $3,
		    "secrets file") == -1)
			YYERROR;
	}
	| SECRETS WATCH OFF	{ conf->nowatch = 1; }
	| KMS CHECK time	{ conf->kmscheck = $3; }
	| KMS STALE time	{ conf->kmsstale = $3; }
	| KMS STALE NEVER	{ conf->kmsstale = 0; }
	| KMS DEADLINE time	{ conf->kmsstart = $3; }
	| KMS DEADLINE NEVER	{ conf->kmsstart = 0; }
	| CA FFILE STRING	{
		if (copy(conf->cafile, sizeof(conf->cafile), $3,
		    "ca file") == -1)
			YYERROR;
	}
	| AUDIT ORIGIN STRING	{
		if (copy(conf->origin, sizeof(conf->origin), $3,
		    "audit origin") == -1)
			YYERROR;
	}
	| STRING '=' STRING	{
		if (conf_macro(file, $1, $3) == -1) {
			free($1);
			free($3);
			YYERROR;
		}
		free($1);
		free($3);
	}
	| INCLUDE STRING	{
		if (conf_include(file, $2) == -1) {
			free($2);
			YYERROR;
		}
		free($2);
	}
	| MODEL word word	{
		if (model_new($2, $3, 0) == -1)
			YYERROR;
	}
	| MODEL word word CREATED NUMBER {
		if (model_new($2, $3, $5) == -1)
			YYERROR;
	}
	| PROVIDER word		{
		if (provider_new($2) == -1)
			YYERROR;
	} '{' body '}'		{ prov = NULL; }
	;
body	: /* empty */
	| body '\n'
	| body ';'
	| body item
	;
item	: DIALECT OPENAI	{ set_dialect(DIALECT_OPENAI); }
	| DIALECT ANTHROPIC	{ set_dialect(DIALECT_ANTHROPIC); }
	| URL STRING		{ set_url($2); }
	| PROXY STRING		{ set_proxy($2); }
	| AUTH BEARER		{ set_auth(AUTH_BEARER); }
	| AUTH XAPIKEY		{ set_auth(AUTH_XAPIKEY); }
	| AUTH APIKEY		{ set_auth(AUTH_APIKEY); }
	| AUTH XGOOGAPIKEY	{ set_auth(AUTH_GOOGKEY); }
	| AUTH SIGVFOUR		{ set_auth(AUTH_SIGV4); }
	| PATH BARE		{ prov->form = FORM_BARE; }
	| PATH DEPLOYMENT	{ prov->form = FORM_DEPLOYMENT; }
	| QUERY STRING		{
		if (!plain_query($2)) {
			conf_error(file, "\"%s\" is no plain query", $2);
			free($2);
			YYERROR;
		}
		if (copy(prov->query, sizeof(prov->query), $2, "query") == -1)
			YYERROR;
	}
	| REGION word		{
		if (!plain_query($2)) {
			conf_error(file, "\"%s\" is no region", $2);
			free($2);
			YYERROR;
		}
		if (copy(prov->region, sizeof(prov->region), $2,
		    "region") == -1)
			YYERROR;
	}
	| INSECURE		{ prov->insecure = 1; }
	| KEY NONE		{ prov->key_none = 1; }
	| KEY FFILE STRING	{
		if (*$3 != '/') {
			conf_error(file, "\"%s\": a key file is named from /",
			    $3);
			free($3);
			YYERROR;
		}
		if (copy(prov->keyfile, sizeof(prov->keyfile), $3,
		    "key file") == -1)
			YYERROR;
	}
	| KEY ENV word		{
		if (!envname($3)) {
			conf_error(file, "\"%s\" is no variable name", $3);
			free($3);
			YYERROR;
		}
		if (copy(prov->key, sizeof(prov->key), $3, "variable") == -1)
			YYERROR;
		prov->key_set = 1;
	}
	;
time	: NUMBER		{
		if ($1 < 1 || $1 > TIME_MAX) {
			conf_error(file, "a time is 1 second to 30 days");
			YYERROR;
		}
		$$ = (uint32_t)$1;
	}
	| STRING		{
		if (seconds($1, &$$) == -1)
			YYERROR;
	}
	;
word	: STRING
	| OPENAI		{ $$ = strdup("openai"); }
	| ANTHROPIC		{ $$ = strdup("anthropic"); }
	;
%%

static const struct conf_keyword keywords[] = {
	{ "anthropic",	ANTHROPIC },
	{ "api-key",	APIKEY },
	{ "audit",	AUDIT },
	{ "auth",	AUTH },
	{ "bare",	BARE },
	{ "bearer",	BEARER },
	{ "ca",		CA },
	{ "check",	CHECK },
	{ "control",	CONTROL },
	{ "created",	CREATED },
	{ "deployment",	DEPLOYMENT },
	{ "development",	DEVELOPMENT },
	{ "dialect",	DIALECT },
	{ "directory",	DIRECTORY },
	{ "env",		ENV },
	{ "file",	FFILE },
	{ "include",	INCLUDE },
	{ "insecure",	INSECURE },
	{ "key",		KEY },
	{ "kms",		KMS },
	{ "model",	MODEL },
	{ "never",	NEVER },
	{ "none",	NONE },
	{ "off",		OFF },
	{ "openai",	OPENAI },
	{ "origin",	ORIGIN },
	{ "path",	PATH },
	{ "permissive",	PERMISSIVE },
	{ "provider",	PROVIDER },
	{ "proxy",	PROXY },
	{ "query",	QUERY },
	{ "region",	REGION },
	{ "sandbox",	SANDBOX },
	{ "secrets",	SECRETS },
	{ "sigv4",	SIGVFOUR },
	{ "stale",	STALE },
	{ "start-deadline",	DEADLINE },
	{ "url",		URL },
	{ "vault",	VAULT },
	{ "watch",	WATCH },
	{ "x-api-key",	XAPIKEY },
	{ "x-goog-api-key",	XGOOGAPIKEY },
};

static int
yylex(void)
{
	return conf_lex(file, keywords, sizeof(keywords) / sizeof(keywords[0]),
	    STRING, NUMBER, &yylval.str, &yylval.num);
}

static void
yyerror(const char *s)
{
	conf_error(file, "%s", s);
}

/* Takes the malloc'ed string; too long is an error with its name. */
static int
copy(char *out, size_t size, char *s, const char *what)
{
	int	 r;

	r = strlcpy(out, s, size) >= size ? -1 : 0;
	if (r == -1)
		conf_error(file, "%s is longer than %zu bytes", what, size - 1);
	free(s);
	return r;
}

/* Takes the malloc'ed string; order is kept, since later ones win. */
static int
secret_add(char list[][256], size_t *n, char *s, const char *what)
{
	if (*n == KEYD_SECRETS || *s != '/') {
		conf_error(file, "\"%s\": a %s is named from /, and there are "
		    "at most %d", s, what, KEYD_SECRETS);
		free(s);
		return -1;
	}
	return copy(list[(*n)++], 256, s, what);
}

static int
envname(const char *s)
{
	return *s != '\0' && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

/* A number with s, m, h or d behind it, in seconds.  Takes the string. */
static int
seconds(char *s, uint32_t *out)
{
	static const struct {
		char	 unit;
		int	 seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const char	*errstr;
	size_t		 i, len;
	int64_t		 n;

	len = strlen(s);
	for (i = 0, n = 0; i < nitems(units); i++) {
		if (len < 2 || s[len - 1] != units[i].unit)
			continue;
		s[len - 1] = '\0';
		n = strtonum(s, 1, TIME_MAX, &errstr);
		n = errstr != NULL ? 0 : n * units[i].seconds;
		break;
	}
	free(s);
	if (n < 1 || n > TIME_MAX) {
		conf_error(file, "a time is 1 second to 30 days, such as 90s, "
		    "10m, 2h, 7d");
		return -1;
	}
	*out = (uint32_t)n;
	return 0;
}

/* name=value pairs that need no quoting. */
static int
plain_query(const char *s)
{
	return *s != '\0' && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-=&") == strlen(s);
}

static int
provider_new(char *name)
{
	if (conf->nproviders == PROVIDERS_MAX) {
		conf_error(file, "more than %d providers", PROVIDERS_MAX);
		free(name);
		return -1;
	}
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
	    strlen(name)) {
		conf_error(file, "provider name \"%s\": only a-z, 0-9 and -",
		    name);
		free(name);
		return -1;
	}
	prov = &conf->providers[conf->nproviders++];
	memset(prov, 0, sizeof(*prov));
	return copy(prov->name, sizeof(prov->name), name, "provider name");
}

static int
model_new(char *pattern, char *provider, int64_t created)
{
	struct model	*m;

	if (conf->nmodels == KEYD_MODELS || created < 0) {
		conf_error(file, "more than %d models, or a bad date",
		    KEYD_MODELS);
		free(pattern);
		free(provider);
		return -1;
	}
	m = &conf->models[conf->nmodels++];
	m->created = (uint64_t)created;
	if (copy(m->pattern, sizeof(m->pattern), pattern, "model") == -1) {
		free(provider);
		return -1;
	}
	return copy(m->provider, sizeof(m->provider), provider, "provider");
}

static void
set_dialect(int dialect)
{
	prov->dialect = (uint8_t)dialect;
	prov->dialect_set = 1;
}

static void
set_auth(int auth)
{
	prov->auth = (uint8_t)auth;
	prov->auth_set = 1;
}

static void
set_url(char *s)
{
	char	 why[128];

	if (kconf_url(prov, s, why, sizeof(why)) == -1)
		conf_error(file, "%s: \"%s\"", why, s);
	free(s);
}

static void
set_proxy(char *s)
{
	char	 why[128];

	if (kconf_proxy(prov, s, why, sizeof(why)) == -1)
		conf_error(file, "%s: \"%s\"", why, s);
	free(s);
}

static void
hash_add(void *arg, const void *p, size_t len)
{
	SHA256Update(arg, p, len);
}

int
kconf_parse(struct kconf *c, const char *path, const char *text)
{
	SHA2_CTX	 h;
	int		 bad;

	conf = c;
	if ((file = conf_open(path, text)) == NULL) {
		fprintf(stderr, "keybrokerd: %s: cannot be read\n", path);
		return -1;
	}
	bad = yyparse();
	bad |= conf_errors(file) > 0;
	SHA256Init(&h);
	conf_hash(file, hash_add, &h);
	SHA256Final(c->hash, &h);
	conf_close(file);
	return bad ? -1 : 0;
}
