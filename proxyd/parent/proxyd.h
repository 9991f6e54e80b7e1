/* SPDX-License-Identifier: ISC */
#ifndef PROXYD_PARENT_PROXYD_H
#define PROXYD_PARENT_PROXYD_H

#include <limits.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/proc/args.h"
#include "common/proc/poll.h"
#include "common/proc/reap.h"

#define LISTENERS_MAX	CERTS_MAX
#define POOL_MAX	16		/* workers of one class set */
#define POOLS		3		/* data, admin, both */
#define WORKER_LIFE	(3600 * NS_S)
#define REPLACED_GRACE	(600 * NS_S)
#define LEND_AFTER	(200 * NS_MS)

struct listener {
	struct sockaddr_storage	 ss;
	socklen_t		 sslen;
	uint8_t			 class;		/* proto_listen */
	int			 class_set, insecure, loopback;
	char			 name[80];	/* "127.0.0.1:9620" */
	int			 tls;
	char			 certfile[PATH_MAX], keyfile[PATH_MAX];
	int			 certfd;	/* sealed copy */
	int			 keyfd;		/* the file, never read here */
	int			 fd[POOL_MAX];	/* the slots' sockets */
};

struct pconf {
	size_t			 nlisteners;
	struct listener		 listeners[LISTENERS_MAX];
	unsigned		 workers;	/* of each class set */
	unsigned		 connections, source;	/* limits, in all */
	unsigned		 header, idle;		/* seconds */
	unsigned		 calls;			/* of a worker's life */
	unsigned		 grace;			/* seconds */
	int			 first;			/* show a first key */
};

enum worker_state { WK_NONE, WK_STARTING, WK_UP, WK_DRAINING };

struct wk {
	enum worker_state	 state;
	uint8_t			 class;
	unsigned		 index;		/* in its pool */
	uint32_t		 generation;
	pid_t			 pid;
	struct msglink		 channel;
	int			 logfd;
	size_t			 loglen;
	char			 log[1024];
	uint64_t		 started, drain_until;
	uint64_t		 kill_at;	/* EXIT was sent; 0 not yet */
	int			 stopped;	/* STOPPED was heard */
	int			 spent;		/* has made calls enough */
	int			 replaced;	/* its successor was asked for */
	unsigned		 refused;	/* messages */
	uint64_t		 wall;		/* start, wall ms */
	uint32_t		 bits;
	char			 missing[256];
};

/* One place in a pool: who serves its sockets, when to start the next. */
struct seat {
	struct reap		 reap;
	uint64_t		 next_start, empty_since;
	int			 lent;		/* sockets are at a neighbour */
};

#define WK_REFUSED	16	/* refused messages that kill a worker */
#define WK_MAX		WORKERS_MAX	/* the broker has no room for more */

struct proxyd {
	struct args	 args;
	struct pconf	 conf;
	struct pollset	*poll;
	struct msglink	 key;		/* to keybrokerd */
	pid_t		 keypid;
	struct wk	 workers[WK_MAX];
	struct seat	 seats[CLASS_BOTH + 1][POOL_MAX];
	int		 begun, serving;	/* listeners; the broker */
	uint32_t	 life;		/* of the broker that links go to */
	char		 waiting[REASON_MAX];	/* for a KMS, "" not */
	uint64_t	 patience_at;	/* when to ask systemd for more */
	int		 ready, bound, announced, stopping, exitcode;
	uint32_t	 generation;
	struct pconf	*next;		/* tlskey judges its keys */
	uint32_t	 round;		/* of certificates; 0 none yet */
	uint64_t	 judge_until;	/* 0: nothing is judged */
	uint64_t	 stop_until;
	char		 root_empty[PATH_MAX + 8];
	char		 pin[80], policy[80], with[512], without[512];
	int		 first_run;
};

/* parse.y */
int	 pconf_parse(struct pconf *, const char *path, const char *text);
/* listen.c */
extern const char	pconf_default[];
void	 pconf_init(struct pconf *);
int	 pconf_listener(struct pconf *, const char *addr, int64_t port,
	    int class, int insecure, const char *cert, const char *key,
	    char *why, size_t);
int	 pconf_load(struct pconf *, const struct args *);
/* certificate.c */
int	 certificate_load(struct pconf *);
void	 certificate_close(struct pconf *);
int	 certificate_used(const struct pconf *);
void	 certificate_send(struct proxyd *, const struct pconf *);
void	 certificate_give(struct wk *, const struct listener *, uint8_t number);
/* reload.c */
void	 reload_start(struct proxyd *);
void	 reload_first(struct proxyd *);
void	 reload_verdict(struct proxyd *, struct msgr *);
void	 reload_late(struct proxyd *, uint64_t now);
/* slot.c */
int	 slot_bind(struct proxyd *);
int	 slot_rebind(struct proxyd *, struct pconf *);
void	 slot_close(struct proxyd *);
void	 slot_give(struct proxyd *, struct wk *, unsigned index);
void	 slot_take(struct proxyd *, struct wk *, unsigned index);
/* generation.c */
void	 generation_turn(struct proxyd *, uint64_t now);
void	 generation_reload(struct proxyd *);
/* KP_ASK 3, 4 (spent): u16 slot, u32 generation of a worker that must go. */
void	 generation_end(struct proxyd *, int spent, struct msgr *);
void	 generation_link(struct proxyd *, struct wk *);
void	 generation_tlslinks(struct proxyd *);
void	 generation_died(struct proxyd *, pid_t, int status, uint64_t now);
void	 generation_drain(struct proxyd *, uint64_t now);
void	 generation_hurry(struct proxyd *, uint64_t now);
void	 generation_kill(struct proxyd *, int sig);
int	 generation_alive(const struct proxyd *);
uint64_t generation_deadline(const struct proxyd *);
void	 generation_status(struct proxyd *);
/* first.c */
void	 first_announce(struct proxyd *);
/* proxyd.c */
int	 proxyd_stage_one(int argc, char **argv);
int	 proxyd_run(int argc, char **argv);

#endif
