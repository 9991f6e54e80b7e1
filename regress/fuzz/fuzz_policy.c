/* SPDX-License-Identifier: ISC */
/*
 * The compiled policy: what policy_open takes, every accessor can give, within
 * the bounds that the rest of the tree relies on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/policy/policy.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
walk(const struct policy *p)
{
	struct policy_provider	 pr, again;
	struct policy_model	 m;
	struct policy_route	 rt;
	char			 path[2100];
	size_t			 i, j;

	for (i = 0; i < policy_nproviders(p); i++) {
		policy_provider(p, i, &pr);
		if (policy_provider_id(p, pr.id, &again) == -1 ||
		    again.name != pr.name ||
		    policy_provider_name(p, pr.name, strlen(pr.name),
		    &again) == -1 || again.id != pr.id)
			abort();
		if (strlen(pr.host) > HOST_MAX || strlen(pr.base) > PATH_MAX_ ||
		    pr.dialect >= DIALECT_MAX)
			abort();
		for (j = 0; j < policy_nroutes(p); j++) {
			policy_route(p, j, &rt);
			if (policy_path(&pr, &rt, "gpt-4o", path,
			    sizeof(path)) == -1)
				abort();
		}
	}
	for (i = 0; i < policy_nmodels(p) && i < 64; i++) {
		policy_model(p, i, &m);
		if (policy_provider_id(p, m.provider, &pr) == -1)
			abort();
		(void)policy_model_match(p, m.pattern, strlen(m.pattern), &m);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy	*p;
	size_t		 len;

	p = policy_open(data, size);
	if (p == NULL)
		return 0;
	if (policy_bytes(p, &len) != data || len != size)
		abort();
	walk(p);
	policy_close(p);
	return 0;
}
