/* SPDX-License-Identifier: ISC */
/* The table of rights, see role.h. */
#include "common/ipc/proto.h"
#include "keybrokerd/broker/key.h"
#include "keybrokerd/broker/role.h"

#define NO	ROLE_NO
#define OWN	ROLE_OWN
#define ALL	ROLE_ALL
#define DK	"/agents/{id}/developer-keys"

/* agent, auditor, developer, admin */
static const struct role_row rows[] = {
	{ M_ADMIN_ME, "me", "GET", "/api/me", { ALL, ALL, ALL, ALL } },
	{ M_ADMIN_AGENT_CREATE, "agent.create", "POST", "/agents",
	    { NO, NO, NO, ALL } },
	{ M_ADMIN_AGENT_LIST, "agent.list", "GET", "/agents",
	    { NO, ALL, OWN, ALL } },
	{ M_ADMIN_AGENT_DELETE, "agent.delete", "DELETE", "/agents/{id}",
	    { NO, NO, NO, ALL } },
	{ M_ADMIN_AGENT_EDIT, "agent.edit", "PATCH", "/agents/{id}",
	    { NO, NO, NO, ALL } },
	{ M_ADMIN_KEY_CREATE, "key.create", "POST", DK,
	    { NO, NO, OWN, ALL } },
	{ M_ADMIN_KEY_LIST, "key.list", "GET", DK, { NO, ALL, OWN, ALL } },
	{ M_ADMIN_KEY_REVOKE, "key.revoke", "DELETE", DK "/{key_id}",
	    { NO, NO, OWN, ALL } },
	{ M_ADMIN_KEY_ROTATE, "key.rotate", "POST", DK "/{key_id}/rotate",
	    { NO, NO, OWN, ALL } },
	{ M_ADMIN_AUDIT_LIST, "audit.list", "GET", "/audit",
	    { NO, ALL, OWN, ALL } },
	{ M_ADMIN_AUDIT_VERIFY, "audit.verify", "GET", "/audit/verify",
	    { NO, ALL, ALL, ALL } },
	{ M_ADMIN_OVERVIEW, "health.overview", "GET", "/health/overview",
	    { NO, ALL, OWN, ALL } },
	{ M_ADMIN_METRICS, "metrics", "GET", "/metrics",
	    { NO, ALL, NO, ALL } },
	{ M_ADMIN_SPEND, "spend", "", "", { NO, ALL, OWN, ALL } },
	{ M_ADMIN_STATUS, "status", "", "", { NO, ALL, NO, ALL } },
	{ M_ADMIN_QUARANTINE, "worker.quarantine", "", "",
	    { NO, NO, NO, ALL } },
	{ M_ADMIN_VAULT_ROTATE, "vault.rotate", "POST", "/admin/vault/rotate",
	    { NO, NO, NO, ALL } },
	{ M_ADMIN_SECRET_LIST, "secret.list", "GET", "/api/admin/llm-keys",
	    { NO, ALL, NO, ALL } },
};

const struct role_row *
role_at(size_t i)
{
	return i < sizeof(rows) / sizeof(rows[0]) ? &rows[i] : NULL;
}

const struct role_row *
role_find(uint16_t type)
{
	size_t	 i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

/* What is not in the table is for the control socket's admin alone. */
enum role_right
role_may(uint16_t type, uint8_t role)
{
	const struct role_row	*r;

	if (role < ROLE_K_AGENT || role > ROLE_K_ADMIN)
		return ROLE_NO;
	r = role_find(type);
	if (r == NULL)
		return role == ROLE_K_ADMIN ? ROLE_ALL : ROLE_NO;
	return r->right[role - ROLE_K_AGENT];
}
