/* SPDX-License-Identifier: ISC */
/* proxyctl agent and proxyctl key. */
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "proxyd/proxyctl/proxyctl.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))
#define SCOPE	1024

static const struct column agent_cols[] = { { "AGENT", "agent" },
    { "DESCRIPTION", "description" }, { "CREATED", "created" },
    { "KEYS", "keys" }, { "OWNER", "owner" }, { "FRAMEWORK", "framework" },
    { "SCOPE", "scope" }, { "DELETED", "deleted" },
    { "SUSPENDED", "suspended" }, { "ACTIVE", "active" } };
static const struct column key_cols[] = { { "KEY_ID", "key_id" },
    { "AGENT", "agent" }, { "EMAIL", "email" }, { "NAME", "name" },
    { "CREATED", "created" }, { "EXPIRES", "expires" },
    { "REVOKED", "revoked" }, { "LAST USED", "last_used" },
    { "ROLE", "role" }, { "SCOPE", "scope" }, { "REPLACES", "replaces" },
    { "ENDS", "ends" } };
static const struct column key_made[] = { { "KEY", "api_key" },
    { "KEY_ID", "key_id" }, { "AGENT", "agent" }, { "EMAIL", "email" },
    { "EXPIRES", "expires_at" }, { "AGENT_MADE", "agent_created" },
    { "ROLE", "role" } };
static const struct column key_rotated[] = { { "KEY", "api_key" },
    { "KEY_ID", "key_id" }, { "AGENT", "agent" }, { "EMAIL", "email" },
    { "EXPIRES", "expires_at" }, { "REPLACES", "replaces" },
    { "OLD_ENDS", "replaced_key_ends_at" }, { "ROLE", "role" } };

static void
ask_agents(struct msgw *w, const struct opts *o, uint64_t cursor)
{
	(void)o;
	ctl_open(w, M_ADMIN_AGENT_LIST);
	msg_put_str(w, "");
	msg_put_u8(w, 0);
	msg_put_u32(w, 0);
	msg_put_u64(w, cursor);
}

static int
agent_create(int fd, int json, const char *name, const struct opts *o)
{
	static const struct column	 made[] = { { "AGENT", "agent" },
	    { "CREATED", "created" } };
	struct msgw			 w;
	char				 scope[SCOPE];

	opts_scope(o, scope, sizeof(scope));
	ctl_open(&w, M_ADMIN_AGENT_CREATE);
	msg_put_str(&w, name);
	msg_put_str(&w, o->description);
	msg_put_str(&w, o->owner);
	msg_put_str(&w, "");
	msg_put_str(&w, scope);
	msg_put_u8(&w, 0);
	msg_put_u32(&w, 0);
	return ctl_rows(fd, &w, made, N(made), json);
}

/* agent set: what is named; the whole scope, if any part of it is. */
static int
agent_edit(int fd, int json, const char *name, const struct opts *o, int which,
    int suspended)
{
	struct msgw	 w;
	char		 scope[SCOPE];

	scope[0] = '\0';
	if (o != NULL) {
		opts_scope(o, scope, sizeof(scope));
		which = (o->description != NULL ? 1 : 0) |
		    (o->owner != NULL ? 2 : 0) |
		    (scope[0] != '\0' || o->unscoped ? 4 : 0);
	}
	if (which == 0)
		return 2;
	ctl_open(&w, M_ADMIN_AGENT_EDIT);
	msg_put_str(&w, name);
	msg_put_u8(&w, (uint8_t)which);
	msg_put_str(&w, o == NULL ? "" : o->description);
	msg_put_str(&w, o == NULL ? "" : o->owner);
	msg_put_str(&w, scope);
	msg_put_u8(&w, (uint8_t)suspended);
	return ctl_rows(fd, &w, agent_cols, N(agent_cols), json);
}

int
cmd_agent(int fd, int json, int argc, char **argv)
{
	static const struct column	 gone[] = { { "AGENT", "agent" },
	    { "DELETED", "deleted_at" }, { "KEYS", "revoked_keys" } };
	struct opts			 o;
	struct msgw			 w;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return ctl_pages(fd, ask_agents, NULL, agent_cols,
		    N(agent_cols), json);
	if (argc == 3 && strcmp(argv[1], "delete") == 0) {
		ctl_open(&w, M_ADMIN_AGENT_DELETE);
		msg_put_str(&w, argv[2]);
		return ctl_rows(fd, &w, gone, N(gone), json);
	}
	if (argc == 3 && (strcmp(argv[1], "suspend") == 0 ||
	    strcmp(argv[1], "resume") == 0))
		return agent_edit(fd, json, argv[2], NULL, 8,
		    strcmp(argv[1], "suspend") == 0);
	if (argc < 3 || (strcmp(argv[1], "create") != 0 &&
	    strcmp(argv[1], "set") != 0) ||
	    opts_parse(&o, argc - 2, argv + 2) == -1)
		return 2;
	if (strcmp(argv[1], "set") == 0)
		return agent_edit(fd, json, argv[2], &o, 0, 0);
	return agent_create(fd, json, argv[2], &o);
}

static void
ask_keys(struct msgw *w, const struct opts *o, uint64_t cursor)
{
	ctl_open(w, M_ADMIN_KEY_LIST);
	msg_put_str(w, o->agent);
	msg_put_u32(w, 0);
	msg_put_u64(w, cursor);
}

/* A new key: for people the key alone on its line, so that it can be cut. */
static int
show(struct answer *a, const struct column *col, size_t n, int json)
{
	struct table	*t;

	if (a->n < n)
		return 1;
	if (json) {
		if ((t = print_new(col, n, 1)) == NULL)
			return 1;
		print_row(t, a);
		print_end(t);
		return 0;
	}
	print_tame(a);
	if (col == key_made && strcmp(a->f[5], "1") == 0)
		printf("made agent %s\n", a->f[2]);
	printf("%s\nkey_id %s, agent %s, %s, expires %s\n", a->f[0], a->f[1],
	    a->f[2], a->f[3], a->f[4]);
	if (col == key_rotated)
		printf("It replaces %s, which ends %s.\n", a->f[5], a->f[6]);
	printf("This is shown once.\n");
	return 0;
}

static int
key_create(int fd, int json, const struct opts *o)
{
	struct msgw	 w;
	struct answer	 a;
	char		 scope[SCOPE];
	int		 r, agent;

	agent = o->role != NULL && strcmp(o->role, "agent") == 0;
	if (o->agent == NULL || (o->email == NULL && !agent)) {
		fprintf(stderr, "proxyctl: key create needs --agent and "
		    "--email\n");
		return 2;
	}
	opts_scope(o, scope, sizeof(scope));
	ctl_open(&w, M_ADMIN_KEY_CREATE);
	msg_put_str(&w, o->agent);
	msg_put_str(&w, o->email);
	msg_put_str(&w, o->name);
	msg_put_u32(&w, o->days);
	msg_put_u64(&w, o->at);
	msg_put_u8(&w, 1);
	msg_put_str(&w, o->role);
	msg_put_str(&w, scope);
	if ((r = ctl_one(fd, &w, &a)) != 0)
		return r;
	r = show(&a, key_made, N(key_made), json);
	explicit_bzero(&a, sizeof(a));
	return r;
}

static int
key_rotate(int fd, int json, const char *id, const struct opts *o)
{
	struct msgw	 w;
	struct answer	 a;
	int		 r;

	ctl_open(&w, M_ADMIN_KEY_ROTATE);
	msg_put_str(&w, "");
	msg_put_str(&w, id);
	msg_put_u32(&w, o->grace);
	msg_put_u32(&w, o->fixed ? o->days : 0);
	if ((r = ctl_one(fd, &w, &a)) != 0)
		return r;
	r = show(&a, key_rotated, N(key_rotated), json);
	explicit_bzero(&a, sizeof(a));
	return r;
}

int
cmd_key(int fd, int json, int argc, char **argv)
{
	static const struct column	 revoked[] = { { "KEY_ID", "key_id" },
	    { "REVOKED", "revoked_at" } };
	struct opts			 o;
	struct msgw			 w;

	if (argc < 2)
		return 2;
	if (strcmp(argv[1], "revoke") == 0 && argc == 3) {
		ctl_open(&w, M_ADMIN_KEY_REVOKE);
		msg_put_str(&w, "");
		msg_put_str(&w, argv[2]);
		return ctl_rows(fd, &w, revoked, N(revoked), json);
	}
	if (strcmp(argv[1], "rotate") == 0)
		return argc < 3 || opts_parse(&o, argc - 2, argv + 2) == -1 ?
		    2 : key_rotate(fd, json, argv[2], &o);
	if (opts_parse(&o, argc - 1, argv + 1) == -1)
		return 2;
	if (strcmp(argv[1], "create") == 0)
		return key_create(fd, json, &o);
	if (strcmp(argv[1], "list") != 0)
		return 2;
	return ctl_pages(fd, ask_keys, &o, key_cols, N(key_cols), json);
}
