/* SPDX-License-Identifier: ISC */
/*
 * proxyd.conf(5).  The grammar of the manual page, over the lexer of
 * common/conf.  Runs in the proxyd parent only.
 */
%{
#include <sys/types.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/conf/conf.h"
#include "proxyd/parent/proxyd.h"

static struct conf	*file;
static struct pconf	*conf;
static int		 l_class, l_insecure;
static char		*l_cert, *l_key;

static int	 yylex(void);
static void	 yyerror(const char *);
static int	 range(unsigned *, int64_t, int64_t, int64_t, const char *);
%}

%union {
	char	*str;
	int64_t	 num;
}
%token ADMIN BOTH CERTIFICATE CLASS CONNECTIONS DATA FIRST GRACE HEADER IDLE
%token INCLUDE INSECURE KEY LIMIT LISTEN OFF ON PORT SOURCE TLS WORKERS
%token LIFE_CALLS
%token <str> STRING
%token <num> NUMBER

%%
grammar	: /* empty */
	| grammar '\n'
	| grammar line '\n'
	| grammar error '\n'
	;
line	: LISTEN ON STRING PORT NUMBER { l_class = l_insecure = 0; } opts {
		char	 why[200];

		if (pconf_listener(conf, $3, $5, l_class, l_insecure, l_cert,
		    l_key, why, sizeof(why)) == -1)
			conf_error(file, "%s", why);
		free($3);
		free(l_cert);
		free(l_key);
		l_cert = l_key = NULL;
	}
	| WORKERS NUMBER	{
		if (range(&conf->workers, $2, 1, POOL_MAX, "workers") == -1)
			YYERROR;
	}
	| LIMIT CONNECTIONS NUMBER {
		if (range(&conf->connections, $3, 16, 65536,
		    "limit connections") == -1)
			YYERROR;
	}
	| LIMIT SOURCE NUMBER	{
		if (range(&conf->source, $3, 1, 65536, "limit source") == -1)
			YYERROR;
	}
	| LIMIT HEADER NUMBER	{
		if (range(&conf->header, $3, 1, 60, "limit header") == -1)
			YYERROR;
	}
	| LIMIT IDLE NUMBER	{
		if (range(&conf->idle, $3, 1, 600, "limit idle") == -1)
			YYERROR;
	}
	| LIMIT LIFE_CALLS NUMBER {
		if (range(&conf->calls, $3, 1, 100000000,
		    "limit worker-calls") == -1)
			YYERROR;
	}
	| GRACE NUMBER		{
		if (range(&conf->grace, $2, 0, 3600, "grace") == -1)
			YYERROR;
	}
	| FIRST OFF		{ conf->first = 0; }
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
	;
opts	: /* empty */
	| opts CLASS DATA	{ l_class = CLASS_DATA; }
	| opts CLASS ADMIN	{ l_class = CLASS_ADMIN; }
	| opts CLASS BOTH	{ l_class = CLASS_BOTH; }
	| opts INSECURE		{ l_insecure = 1; }
	| opts TLS CERTIFICATE STRING KEY STRING {
		free(l_cert);
		free(l_key);
		l_cert = $4;
		l_key = $6;
	}
	;
%%

static const struct conf_keyword keywords[] = {
	{ "admin",	ADMIN },
	{ "both",	BOTH },
	{ "certificate", CERTIFICATE },
	{ "class",	CLASS },
	{ "connections", CONNECTIONS },
	{ "data",	DATA },
	{ "first",	FIRST },
	{ "grace",	GRACE },
	{ "header",	HEADER },
	{ "idle",	IDLE },
	{ "include",	INCLUDE },
	{ "insecure",	INSECURE },
	{ "key",	KEY },
	{ "limit",	LIMIT },
	{ "listen",	LISTEN },
	{ "off",	OFF },
	{ "on",		ON },
	{ "port",	PORT },
	{ "source",	SOURCE },
	{ "tls",	TLS },
	{ "worker-calls", LIFE_CALLS },
	{ "workers",	WORKERS },
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

static int
range(unsigned *out, int64_t v, int64_t lo, int64_t hi, const char *what)
{
	if (v < lo || v > hi) {
		conf_error(file, "%s is not %lld-%lld", what, (long long)lo,
		    (long long)hi);
		return -1;
	}
	*out = (unsigned)v;
	return 0;
}

int
pconf_parse(struct pconf *c, const char *path, const char *text)
{
	int	 bad;

	conf = c;
	if ((file = conf_open(path, text)) == NULL) {
		fprintf(stderr, "proxyd: %s: cannot be read\n", path);
		return -1;
	}
	bad = yyparse();
	bad |= conf_errors(file) > 0;
	conf_close(file);
	return bad ? -1 : 0;
}
