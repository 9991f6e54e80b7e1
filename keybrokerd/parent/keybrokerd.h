/* SPDX-License-Identifier: ISC */
#ifndef KEYBROKERD_PARENT_KEYBROKERD_H
#define KEYBROKERD_PARENT_KEYBROKERD_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/kms/kms.h"
#include "common/proc/args.h"
#include "common/proc/poll.h"
#include "common/proc/reap.h"

#define KEYD_MODELS	512
#define KEYD_SOURCES	256
#define KEYD_SECRETS	8	/* secrets directories, secrets files */
#define KEYD_CHANGE	30	/* seconds between two looks at watched files */

/* ---- configuration, as parsed --------------------------------------------- */
struct provider {
	char		 name[33];
	char		 host[HOST_MAX + 1];
	char		 base[256];		/* path of the url, may be "" */
	char		 key[65];		/* variable name, "" = none */
	char		 keyfile[256];		/* "" = none */
	char		 proxy[HOST_MAX + 1];
	char		 query[129];		/* that each request gets */
	char		 region[33];		/* SigV4 */
	uint8_t		 form;			/* enum policy_form */
	uint16_t	 id, port, proxy_port;
	uint8_t		 dialect, scheme, auth;
	int		 dialect_set, url_set, key_set, key_none, auth_set, insecure;
};

struct model {
	char		 pattern[MODEL_MAX + 1];
	char		 provider[33];
	uint64_t	 created;
};

struct kconf {
	int		 development, permissive;
	char		 control[108];		/* "" = default */
	char		 vaultkey[PATH_MAX];
	char		 cafile[PATH_MAX];
	char		 origin[128];
	int		 nowatch;		/* secrets files: poll alone */
	uint32_t	 kmscheck, kmsstale, kmsstart;	/* s; 0 never, for ever */
	size_t		 nsecretdirs, nsecretfiles;
	char		 secretdir[KEYD_SECRETS][256];
	char		 secretfile[KEYD_SECRETS][256];
	size_t		 nproviders, nmodels;
	struct provider	 providers[PROVIDERS_MAX];
	struct model	 models[KEYD_MODELS];
	uint8_t		 hash[32];		/* of all bytes read */
};

/* ---- sources of secrets: descriptors, never bytes --------------------------- */
struct source {
	int		 fd;
	int		 map;		/* memfd_secret: can only be mapped */
	int		 claimed;
	uint8_t		 kind;		/* proto_source */
	uint8_t		 to;		/* SOURCE_* */
	uint64_t	 size;
	char		 name[256];
	char		*text;		/* a public value, once it was read */
};

#define SOURCE_BROKER	0x01	/* who gets it */
#define SOURCE_KMS	0x02

struct sources {
	size_t		 n;
	struct source	 s[KEYD_SOURCES];
};

/* ---- a role that this parent keeps alive ------------------------------------ */
struct kid {
	int		 used;
	enum proto_role	 role;
	uint16_t	 provider;
	pid_t		 pid;		/* 0 = not running */
	uint32_t	 generation;
	uint64_t	 next_start;	/* when to start it, UINT64_MAX never */
	struct reap	 reap;
	struct msglink	 channel;
	int		 logfd;
	size_t		 loglen;
	char		 log[1024];
	int		 up;
	unsigned	 refused;	/* messages */
	uint32_t	 bits;		/* confinement reached */
	char		 missing[256];
	int		 expected;	/* its end is wanted */
	int		 gone;		/* and no other follows */
	int		 linked;	/* kms: it has its one exchange */
	int		 brokered;	/* egress: it has had its broker */
};

#define KID_REFUSED	16	/* refused messages that kill a role */
#define KEYD_KIDS	(6 + PROVIDERS_MAX)

/* ---- listeners' certificates and key files, unread (tlspair.c) ---------------- */
struct tlsround {
	int		 used, whole;
	uint32_t	 no;
	uint8_t		 n;
	int		 cert[CERTS_MAX], key[CERTS_MAX];	/* -1 none */
};

struct tlspair {
	struct tlsround	 good[2];	/* newest first */
	struct tlsround	 next;		/* arriving, not yet judged */
};

struct keyd {
	struct args	 args;
	struct kconf	 conf;
	struct sources	 sources;
	struct pollset	*poll;
	struct msglink	 proxyd;	/* KP channel */
	struct kid	 kids[KEYD_KIDS];
	int		 blobfd;
	uint8_t		 policy[32];
	char		 keyfile[PATH_MAX];	/* the vault key's, "" none */
	char		 previousfile[PATH_MAX];
	char		 kmsuri[KMS_URI_MAX + 1];	/* "" none */
	unsigned	 kmsback;		/* 1 << enum kms_back, 0 none */
	uint8_t		 kmshosts[KMS_BLOB_MAX];	/* kmstarget_encode */
	size_t		 kmshostslen;
	int		 kmsfd;			/* kms's end for the broker, -1 */
	char		 dek[KMS_DEK_MAX + 1];	/* TAPPASS_VAULT_DEK, wrapped */
	char		 waiting[REASON_MAX];	/* on whom the start waits, or "" */
	int		 init;			/* keybrokerd init */
	int		 keymade;		/* dek is what this life made */
	int		 inited;		/* init: all of it is durable */
	size_t		 bloblen;
	int		 cafd, lockfd, statefd, exportfd;
	int		 ctlfd;
	char		 ctlpath[108];
	int		 stopping, reloading, ready, first_run, exitcode;
	uint64_t	 step_deadline;	/* of the start, 0 = started */
	const char	*step;
	uint64_t	 next_watch;
	char		 root_empty[PATH_MAX + 8];
	char		 proxyd_status[8000];
	struct tlspair	 tls;
};

/* parse.y */
int	 kconf_parse(struct kconf *, const char *path, const char *text);
/* provider.c */
extern const char	kconf_default[];	/* the text of etc/keybrokerd.conf */
void	 kconf_init(struct kconf *);
int	 kconf_url(struct provider *, const char *url, char *why, size_t);
int	 kconf_proxy(struct provider *, const char *url, char *why, size_t);
int	 kconf_check(struct kconf *, char *why, size_t);
int	 kconf_load(struct kconf *, const struct args *);
uint8_t	*kconf_blob(const struct kconf *, size_t *len);
/* source.c */
int	 source_stage_one(int argc, char **argv);
int	 source_inherit(struct sources *);
/* Closes what nobody claims; who gets the rest. */
void	 source_claim(struct keyd *);
/* SRC_ENV of that name, NULL. */
struct source *source_find(struct sources *, const char *name);
/* A public variable's value, read once; NULL: it cannot be, or holds a NUL. */
const char *source_text(struct source *);
int	 source_open_files(struct keyd *);
void	 source_send(struct keyd *, struct msglink *);
void	 source_reopen(struct keyd *);
/* What the kms role may have: variables, and the files that they name now. */
void	 source_send_kms(struct keyd *, struct msglink *);
/* state.c */
int	 state_open(struct keyd *);
int	 state_first_run(struct keyd *);
int	 state_ca(struct keyd *);
uint64_t state_resolver_stamp(void);
/* keyplace.c */
/* URI and wrapped key out of their variables; -1 said, EX_CONFIG. */
int	 keyplace_read(struct keyd *);
/*
 * The one place that has the vault key.  create: a key file may be made, and
 * only if there is no ciphertext (decisions M17, design 6).  -1: none, two, or
 * a KMS that cannot be meant; said, EX_CONFIG.
 */
int	 keyplace_choose(struct keyd *, int create);
/* kmsrole.c: one kms role for one exchange */
int	 kmsrole_list(const struct keyd *);	/* a memfd for dial or kms, -1 */
void	 kmsrole_spawn(struct keyd *);		/* the broker asks for one */
/* One of kms, dial, broker is up: what it and they need of each other. */
void	 kmsrole_up(struct keyd *, struct kid *);
/* It ended, or did not start; when to start the next one. */
uint64_t kmsrole_gone(struct keyd *, struct kid *, uint64_t now);
/* Nobody waits for the answer any more. */
void	 kmsrole_end(struct keyd *);
/* roles.c */
void	 roles_init(struct keyd *);
struct kid *roles_find(struct keyd *, enum proto_role, uint16_t);
void	 roles_want(struct keyd *, enum proto_role, uint16_t);
int	 roles_up(const struct kid *);		/* NULL is not */
void	 roles_peer(struct kid *to, enum proto_role, uint16_t instance,
	    uint32_t generation, int fd);	/* owns fd */
void	 roles_join(struct kid *, struct kid *);	/* a pair, an end each */
void	 roles_turn(struct keyd *, uint64_t now);
uint64_t roles_deadline(const struct keyd *);
void	 roles_reap(struct keyd *, uint64_t now);
void	 roles_stop(struct keyd *, struct kid *);
int	 roles_alive(const struct keyd *);
void	 roles_status(struct keyd *);
void	 roles_kill(struct keyd *, int sig);
int	 message_kid(void *arg, struct msgr *, int fd);
/* message.c */
int	 message_broker(struct keyd *, struct msgr *);
int	 message_proxyd(void *arg, struct msgr *, int fd);
void	 message_policy(struct keyd *, int first);
/* tlspair.c */
void	 tlspair_init(struct keyd *);
int	 tlspair_proxyd(struct keyd *, struct msgr *, int fd);
void	 tlspair_up(struct keyd *, struct kid *);
void	 tlspair_ready(struct keyd *, struct msgr *);
/* firstkey.c */
int	 firstkey_command(int argc, char **argv);	/* keybrokerd init */
/* control.c */
int	 control_listen(struct keyd *);
void	 control_accept(void *arg, int fd, short revents);
/* keybrokerd.c */
int	 keyd_run(int argc, char **argv);
int	 keyd_once(struct keyd *);	/* until the broker served; exit code */
void	 keyd_paths(struct kconf *, const struct args *);
void	 keyd_stop(struct keyd *, int now);
void	 keyd_reload(struct keyd *);

#endif
