/* SPDX-License-Identifier: ISC */
/*
 * Who may do what: one table, a row each action of administration.  The order
 * of roles is admin > developer > auditor; agent keys make calls and may ask
 * who they are.  tappass-api(5) prints the table.  Pure.
 */
#ifndef KEYBROKERD_BROKER_ROLE_H
#define KEYBROKERD_BROKER_ROLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * ROLE_OWN: a developer, on what is its own.  Agents: those whose owner's
 * e-mail is the key's, and to look at also the one the key is bound to.  Keys:
 * those with the key's e-mail, and to look at also those of its agents.
 */
enum role_right { ROLE_NO, ROLE_OWN, ROLE_ALL };

struct role_row {
	uint16_t	 type;		/* ADMIN_* or CTL_* */
	const char	*action;	/* "key.create" */
	const char	*method, *path;	/* of the API; "" none */
	uint8_t		 right[4];	/* agent, auditor, developer, admin */
};

/* What a role (enum key_role) may do with a message of this type. */
enum role_right	 role_may(uint16_t type, uint8_t role);
/* The row, NULL if no such action. */
const struct role_row *role_find(uint16_t type);
/* Walk over the table; NULL at its end. */
const struct role_row *role_at(size_t);

#endif
