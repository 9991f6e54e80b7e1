/* SPDX-License-Identifier: ISC */
/* The blob: written, read, cut, bent; model patterns; upstream paths. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/policy/layout.h"
#include "common/policy/policy.h"
#include "common/secret/secret.h"

static const struct policy_provider	providers[] = {
	{ 1, DIALECT_OPENAI, SCHEME_HTTPS, AUTH_BEARER, 0, 443, 0, "openai",
	    "api.openai.com", "/v1", "OPENAI_API_KEY", "", "", "",
	    FORM_V1 },
	{ 2, DIALECT_ANTHROPIC, SCHEME_HTTPS, AUTH_XAPIKEY, 0, 443, 3128,
	    "anthropic", "api.anthropic.com", "", "ANTHROPIC_API_KEY",
	    "proxy.example", "", "", FORM_V1 },
	{ 7, DIALECT_OPENAI, SCHEME_HTTP, AUTH_NONE, 1, 11434, 0, "local",
	    "127.0.0.1", "/api/v1/", NULL, NULL, NULL, NULL, FORM_V1 }
};

static const struct policy_model	models[] = {
	{ "gpt-4o", 1, 1, 1715367049 },
	{ "gpt-*", 1, 0, 0 },
	{ "o[0-9]*", 1, 0, 0 },
	{ "claude-*", 2, 0, 0 },
	{ "llama?", 7, 0, 0 }
};

static const struct policy_route	routes[] = {
	{ ROUTE_CHAT, DIALECT_OPENAI, KIND_GENERATE, "/v1/chat/completions" },
	{ ROUTE_MESSAGES, DIALECT_ANTHROPIC, KIND_GENERATE, "/v1/messages" }
};

#define N(a)	(sizeof(a) / sizeof((a)[0]))

static uint8_t	*blob;
static size_t	 bloblen;

static int
setup(void **state)
{
	struct policy_w	*w;
	size_t		 i;

	(void)state;
	w = policy_w_new();
	for (i = 0; i < N(providers); i++)
		if (policy_w_provider(w, &providers[i]) == -1)
			return -1;
	for (i = 0; i < N(models); i++)
		if (policy_w_model(w, &models[i]) == -1)
			return -1;
	for (i = 0; i < N(routes); i++)
		if (policy_w_route(w, &routes[i]) == -1)
			return -1;
	blob = policy_w_blob(w, &bloblen);
	policy_w_free(w);
	return blob == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(blob);
	return 0;
}

static void
same_provider(const struct policy_provider *a, const struct policy_provider *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->dialect, b->dialect);
	assert_int_equal(a->scheme, b->scheme);
	assert_int_equal(a->auth, b->auth);
	assert_int_equal(a->insecure, b->insecure);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->proxy_port, b->proxy_port);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->host, b->host);
	assert_string_equal(a->base, b->base);
	assert_string_equal(a->key, b->key == NULL ? "" : b->key);
	assert_string_equal(a->proxy, b->proxy == NULL ? "" : b->proxy);
}

static void
check(const struct policy *p)
{
	struct policy_provider	 pr;
	struct policy_model	 m;
	struct policy_route	 rt;
	size_t			 i;

	assert_int_equal(policy_nproviders(p), N(providers));
	for (i = 0; i < N(providers); i++) {
		policy_provider(p, i, &pr);
		same_provider(&pr, &providers[i]);
		assert_int_equal(policy_provider_id(p, providers[i].id, &pr),
		    0);
		same_provider(&pr, &providers[i]);
		assert_int_equal(policy_provider_name(p, providers[i].name,
		    strlen(providers[i].name), &pr), 0);
		assert_int_equal(pr.id, providers[i].id);
	}
	assert_int_equal(policy_nmodels(p), N(models));
	for (i = 0; i < N(models); i++) {
		policy_model(p, i, &m);
		assert_string_equal(m.pattern, models[i].pattern);
		assert_int_equal(m.provider, models[i].provider);
		assert_int_equal(m.concrete, models[i].concrete);
		assert_true(m.created == models[i].created);
	}
	assert_int_equal(policy_nroutes(p), N(routes));
	for (i = 0; i < N(routes); i++) {
		assert_int_equal(policy_route_id(p, routes[i].route, &rt), 0);
		assert_string_equal(rt.path, routes[i].path);
		assert_int_equal(rt.dialect, routes[i].dialect);
		assert_int_equal(rt.kind, routes[i].kind);
	}
	assert_int_equal(policy_provider_id(p, 3, &pr), -1);
	assert_int_equal(policy_provider_name(p, "openaix", 7, &pr), -1);
	assert_int_equal(policy_provider_name(p, "opena", 5, &pr), -1);
	assert_int_equal(policy_route_id(p, ROUTE_MODELS, &rt), -1);
}

static void
test_round_trip(void **state)
{
	struct policy	*p;
	size_t		 len;

	(void)state;
	p = policy_open(blob, bloblen);
	assert_non_null(p);
	check(p);
	assert_ptr_equal(policy_bytes(p, &len), blob);
	assert_int_equal(len, bloblen);
	policy_close(p);
	policy_close(NULL);
}

/* The layout is frozen: offsets of the first rows, byte by byte. */
static void
test_layout(void **state)
{
	static const uint8_t	 head[] = { 'T', 'P', 'B', '1', 0, 0, 0, 1 };
	const uint8_t		*r;

	(void)state;
	assert_memory_equal(blob, head, 8);
	assert_int_equal(blob[15], 52);			/* providers at */
	assert_int_equal(blob[19], 3);			/* so many */
	assert_int_equal(blob[23], 52 + 3 * 48);	/* models at */
	r = blob + 52;
	assert_memory_equal(r, "\0\1\0\1\1\0\1\xbb", 8);
	assert_string_equal((const char *)blob + blob[44] * 16777216 +
	    blob[45] * 65536 + blob[46] * 256 + blob[47] + r[11], "openai");
}

static void
test_map(void **state)
{
	struct policy	*p;
	int		 fd;

	(void)state;
	fd = secret_sealed("policy", blob, bloblen);
	assert_int_not_equal(fd, -1);
	p = policy_map(fd);
	assert_non_null(p);
	close(fd);
	check(p);
	policy_close(p);
	assert_null(policy_map(fd));
	assert_int_equal(errno, EBADF);
	fd = secret_sealed("policy", blob, bloblen - 1);
	assert_null(policy_map(fd));
	assert_int_equal(errno, EINVAL);
	close(fd);
	fd = secret_sealed("policy", blob, 0);
	assert_null(policy_map(fd));
	assert_int_equal(errno, EINVAL);
	close(fd);
}

static void
test_truncated(void **state)
{
	uint8_t	*cut;
	size_t	 len;

	(void)state;
	for (len = 0; len < bloblen; len++) {
		cut = malloc(len == 0 ? 1 : len);
		memcpy(cut, blob, len);
		assert_null(policy_open(cut, len));
		assert_int_equal(errno, EINVAL);
		/* even if it says that it is so long */
		if (len >= 12) {
			cut[8] = cut[9] = 0;
			cut[10] = len >> 8;
			cut[11] = len & 0xff;
			assert_null(policy_open(cut, len));
		}
		free(cut);
	}
}

/* Touches whatever a blob that is accepted offers. */
static void
walk(const struct policy *p)
{
	struct policy_provider	 pr;
	struct policy_model	 m;
	struct policy_route	 rt;
	char			 path[4096];
	volatile size_t		 sum;
	size_t			 i, j;

	sum = 0;
	for (i = 0; i < policy_nproviders(p); i++) {
		policy_provider(p, i, &pr);
		sum += strlen(pr.name) + strlen(pr.host) + strlen(pr.base) +
		    strlen(pr.key) + strlen(pr.proxy);
		assert_true(pr.dialect < DIALECT_MAX);
		for (j = 0; j < policy_nroutes(p); j++) {
			policy_route(p, j, &rt);
			sum += policy_path(&pr, &rt, "gpt-4o", path,
			    sizeof(path));
		}
	}
	for (i = 0; i < policy_nmodels(p); i++) {
		policy_model(p, i, &m);
		sum += strlen(m.pattern);
	}
	policy_model_match(p, "gpt-4o-mini", 11, &m);
}

/* Each byte in each of 255 other ways, then many at once. */
static void
test_flips(void **state)
{
	struct policy	*p;
	uint8_t		*bent;
	uint32_t	 x;
	size_t		 i;
	int		 accepted, k, v;

	(void)state;
	accepted = 0;
	bent = malloc(bloblen);
	memcpy(bent, blob, bloblen);
	for (i = 0; i < bloblen; i++) {
		for (v = 1; v < 256; v++) {
			bent[i] = blob[i] ^ v;
			p = policy_open(bent, bloblen);
			if (p == NULL)
				continue;
			accepted++;
			walk(p);
			policy_close(p);
		}
		bent[i] = blob[i];
	}
	assert_true(accepted > 0);	/* letters of a name, say */
	x = 12345;
	for (i = 0; i < 50000; i++) {
		memcpy(bent, blob, bloblen);
		for (k = 0; k < 1 + (int)(i % 5); k++) {
			x = x * 1664525 + 1013904223;
			bent[(x >> 8) % bloblen] = x >> 24;
		}
		p = policy_open(bent, bloblen);
		if (p != NULL)
			walk(p);
		policy_close(p);
	}
	free(bent);
}

static int
matches(const struct policy *p, const char *name, const char *pattern)
{
	struct policy_model	 m;

	if (policy_model_match(p, name, strlen(name), &m) == -1)
		return pattern == NULL;
	return pattern != NULL && strcmp(m.pattern, pattern) == 0;
}

static void
test_models(void **state)
{
	struct policy	*p;

	(void)state;
	p = policy_open(blob, bloblen);
	assert_true(matches(p, "gpt-4o", "gpt-4o"));
	assert_true(matches(p, "gpt-4o-mini", "gpt-*"));
	assert_true(matches(p, "gpt-", "gpt-*"));
	assert_true(matches(p, "gpt", NULL));
	assert_true(matches(p, "o1", "o[0-9]*"));
	assert_true(matches(p, "o3-mini", "o[0-9]*"));
	assert_true(matches(p, "omni", NULL));
	assert_true(matches(p, "o", NULL));
	assert_true(matches(p, "claude-sonnet-4", "claude-*"));
	assert_true(matches(p, "xclaude-", NULL));
	assert_true(matches(p, "llama3", "llama?"));
	assert_true(matches(p, "llama", NULL));
	assert_true(matches(p, "llama33", NULL));
	assert_true(matches(p, "", NULL));
	policy_close(p);
}

/* One pattern in a policy of its own. */
static int
glob(const char *pattern, const char *name)
{
	struct policy_model	 m;
	struct policy_w		*w;
	struct policy		*p;
	uint8_t			*b;
	size_t			 len;
	int			 r;

	w = policy_w_new();
	policy_w_provider(w, &providers[0]);
	memset(&m, 0, sizeof(m));
	m.pattern = pattern;
	m.provider = 1;
	policy_w_model(w, &m);
	b = policy_w_blob(w, &len);
	policy_w_free(w);
	assert_non_null(b);
	p = policy_open(b, len);
	r = policy_model_match(p, name, strlen(name), &m) == 0;
	policy_close(p);
	free(b);
	return r;
}

static void
test_patterns(void **state)
{
	(void)state;
	assert_true(glob("*", ""));
	assert_true(glob("*", "x"));
	assert_true(glob("a*b*c", "aXbYbZc"));
	assert_false(glob("a*b*c", "aXbYbZ"));
	assert_true(glob("*-mini", "gpt-4o-mini"));
	assert_true(glob("**a", "bba"));
	assert_true(glob("[!a-c]x", "dx"));
	assert_false(glob("[!a-c]x", "bx"));
	assert_true(glob("[^a]", "b"));
	assert_true(glob("[]]", "]"));
	assert_true(glob("[a-]", "-"));
	assert_true(glob("[", "["));
	assert_true(glob("[a", "[a"));
	assert_false(glob("[a", "a"));
	assert_true(glob("?", "\xff"));
	assert_true(glob("[\x80-\xff]", "\xc3"));
	assert_false(glob("?", ""));
	/* no exponential time */
	assert_false(glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void
path_is(const char *base, const char *want)
{
	struct policy_provider	 pr;
	char			 out[64];

	pr = providers[0];
	pr.base = base;
	assert_int_equal(policy_path(&pr, &routes[0], NULL, out,
	    sizeof(out)), 0);
	assert_string_equal(out, want);
	/* exactly as large as needed, and one less */
	assert_int_equal(policy_path(&pr, &routes[0], NULL, out,
	    strlen(want) + 1), 0);
	assert_int_equal(policy_path(&pr, &routes[0], NULL, out,
	    strlen(want)), -1);
}

static void
form_is(uint8_t form, const char *base, const char *model, const char *want)
{
	struct policy_provider	 pr;
	char			 out[128];

	pr = providers[0];
	pr.base = base;
	pr.form = form;
	if (want == NULL) {
		assert_int_equal(policy_path(&pr, &routes[0], model, out,
		    sizeof(out)), -1);
		return;
	}
	assert_int_equal(policy_path(&pr, &routes[0], model, out,
	    sizeof(out)), 0);
	assert_string_equal(out, want);
}

/* Forms of paths, and a query that each request gets. */
static void
test_forms(void **state)
{
	struct policy_provider	 pr;
	char			 q[24];

	(void)state;
	form_is(FORM_V1, "/a/v1", "m", "/a/v1/chat/completions");
	form_is(FORM_BARE, "/v1beta/openai", "m",
	    "/v1beta/openai/chat/completions");
	form_is(FORM_BARE, "/a/v1", "m", "/a/v1/chat/completions");
	form_is(FORM_DEPLOYMENT, "/openai", "gpt-4o_1.2",
	    "/openai/deployments/gpt-4o_1.2/chat/completions");
	form_is(FORM_DEPLOYMENT, "/openai", "", "/openai/chat/completions");
	form_is(FORM_DEPLOYMENT, "/openai", "a/b", NULL);
	form_is(FORM_DEPLOYMENT, "/openai", "..", NULL);
	form_is(FORM_DEPLOYMENT, "/openai", "a%2fb", NULL);
	form_is(FORM_DEPLOYMENT, "/openai", "a?b", NULL);
	pr = providers[0];
	pr.query = "v=2024-10";
	strcpy(q, "");
	assert_int_equal(policy_query(&pr, q, sizeof(q)), 0);
	assert_string_equal(q, "v=2024-10");
	strcpy(q, "beta=true");
	assert_int_equal(policy_query(&pr, q, sizeof(q)), 0);
	assert_string_equal(q, "v=2024-10&beta=true");
	assert_int_equal(policy_query(&pr, q, sizeof(q)), -1);
	assert_string_equal(q, "v=2024-10&beta=true");
	pr.query = "";
	assert_int_equal(policy_query(&pr, q, sizeof(q)), 0);
}

static void
test_path(void **state)
{
	(void)state;
	path_is("", "/v1/chat/completions");
	path_is("/", "/v1/chat/completions");
	path_is("/v1", "/v1/chat/completions");
	path_is("/v1/", "/v1/chat/completions");
	path_is("/api/v1", "/api/v1/chat/completions");
	path_is("/api/v1//", "/api/v1/chat/completions");
	path_is("/api", "/api/v1/chat/completions");
	path_is("/av1", "/av1/v1/chat/completions");
	path_is("/v1/v1", "/v1/v1/chat/completions");
}

/* What the writer must not let out. */
static void
test_refused(void **state)
{
	struct policy_provider	 pr;
	struct policy_model	 m;
	struct policy_w		*w;
	size_t			 len;

	(void)state;
	w = policy_w_new();
	policy_w_provider(w, &providers[0]);
	policy_w_provider(w, &providers[0]);
	assert_null(policy_w_blob(w, &len));
	assert_int_equal(errno, EINVAL);
	policy_w_free(w);
	w = policy_w_new();
	m = models[0];
	policy_w_model(w, &m);		/* of a provider that is not there */
	assert_null(policy_w_blob(w, &len));
	policy_w_free(w);
	w = policy_w_new();
	pr = providers[0];
	pr.port = 0;
	policy_w_provider(w, &pr);
	assert_null(policy_w_blob(w, &len));
	policy_w_free(w);
	w = policy_w_new();		/* nothing at all is a policy */
	free(policy_w_blob(w, &len));
	assert_int_equal(len, LAYOUT_HEAD + 1);
	policy_w_free(w);
	policy_w_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_refused)
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
