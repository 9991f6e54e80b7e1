/* SPDX-License-Identifier: ISC */
#ifndef REGRESS_UNIT_EGRESS_RIG_H
#define REGRESS_UNIT_EGRESS_RIG_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/link.h"
#include "common/ipc/msg.h"
#include "common/ipc/proto.h"

/*
 * A real egress and a real dial in processes of their own; the test plays
 * parent, broker, worker and provider.  With EGRESS_LIBEXEC=dir the executables
 * of that directory are started, sandbox and all; else the roles' own code
 * runs in forked children, so that sanitizers see it.
 */
#define RIG_KEY		"sk-canary-0123456789abcdef"
#define RIG_WAIT	5000		/* ms, for anything to happen */

enum rig_provider { RIG_PLAIN = 1, RIG_TLS, RIG_PROXIED, RIG_NAME };

struct done {
	uint32_t	 link;
	uint64_t	 no, up, down, first, end_at;
	uint8_t		 id[16], end, closer, echoes;
	uint16_t	 status;
	uint8_t		 shaup[32], shadown[32];
	char		 reqid[200], text[300];
};

struct rig {
	pid_t		 egress, dial;
	struct msglink	 ctl_e, ctl_d, broker;
	enum rig_provider which;
	int		 listener, policy;
	uint16_t	 port;
	uint32_t	 links;
	struct done	 done;
	int		 ndone, up;	/* DONE seen; last UPSTREAM */
	int		 nrefused;	/* REFUSED seen: done is its */
	char		 down_text[300];
};

/* What the worker saw of a call. */
struct seen {
	int		 head, end, error;	/* 0 not seen; end class + 1 */
	uint64_t	 no;
	uint16_t	 status;
	uint8_t		 flags;
	size_t		 len;
	char		 fields[2048], text[400];
	uint8_t		*body;		/* malloc'ed */
};

int	 rig_memfd(const void *, size_t);
void	 rig_start(struct rig *, enum rig_provider, const char *pem);
void	 rig_stop(struct rig *);
/* dial dies; another one starts. */
void	 rig_undial(struct rig *);
void	 rig_dial(struct rig *);
void	 rig_listen(struct rig *);
/* A new link: the worker's end. */
int	 rig_link(struct rig *, uint32_t *id);
/* The provider's end of the next connection. */
int	 rig_accept(struct rig *);
int	 rig_quiet(struct rig *, int ms);	/* no connection comes */

/* Worker. */
void	 worker_open(int fd, uint64_t no, uint64_t length);
void	 worker_frame(int fd, enum link_type, const void *, size_t);
void	 worker_body(int fd, const void *, size_t);	/* DATA.. END */
void	 worker_read(int fd, struct seen *);	/* up to END or ERROR */
void	 worker_forget(struct seen *);

/* Broker. */
struct call {
	uint32_t	 link;
	uint64_t	 no, length, deadline, first, between, limit;
	uint8_t		 digest[32];
	enum rig_provider provider;
	const char	*key;
	uint32_t	 flags;
};

void	 broker_call(struct rig *, struct call *, uint32_t link, uint64_t no,
	    const void *body, size_t len);
void	 broker_release(struct rig *, const struct call *);
void	 broker_drop(struct rig *, uint32_t link, uint64_t no);
void	 broker_cut(struct rig *, uint32_t link, uint64_t no, int cut);
/* Waits for DONE number `n` of this rig. */
void	 broker_done(struct rig *, int n);
void	 broker_refused(struct rig *, int n);
void	 broker_done_some(struct rig *);	/* one packet */

/* Provider. */
size_t	 provider_read(int fd, char *out, size_t size);	/* until EOF */
/* Head and `body` bytes of a request; returns the length of the head. */
size_t	 provider_request(int fd, char *out, size_t size, size_t body);
void	 provider_write(int fd, const void *, size_t);
/* True if the peer's FIN or RST comes within ms. */
int	 provider_closed(int fd, int ms);

#endif
