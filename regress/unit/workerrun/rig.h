/* SPDX-License-Identifier: ISC */
/* A worker in this process, with a broker, egresses and clients around it. */
#ifndef REGRESS_WORKERRUN_RIG_H
#define REGRESS_WORKERRUN_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/text/sha256.h"
#include "proxyd/worker/worker.h"

#define RIG_MESSAGES	64
#define RIG_TEXT	(4 * 1024 * 1024)

struct rig_msg {
	uint16_t	 type;
	size_t		 len;
	uint8_t		 data[MSG_MAX];
};

struct rig {
	struct worker	*w;
	struct msglink	 parent, broker;
	int		 port;
	char		 token[80];
	size_t		 n;
	struct rig_msg	*msg;	/* of the broker's side, in order */
	uint32_t	 link;	/* last id given */
	uint8_t		 kms;	/* class in READY */
	int		 stopped;
	uint16_t	 drain;	/* enum proto_drain of a DRAIN */
};

/* An egress's end of a link. */
struct eg {
	int		 fd;
	struct linkr	 in;
	int		 eof;
	uint64_t	 no, length;
	int		 open, end, abort;
	uint8_t		*body;
	size_t		 nbody;
};

/* A client. */
struct cl {
	int		 fd, eof;
	char		*text;
	size_t		 n;
};

struct rig *rig_new(const struct wlimits *);
void	 rig_free(struct rig *);
void	 rig_limits(struct wlimits *);
void	 rig_broker(struct rig *, int gate, int nokey);
void	 rig_ready(struct rig *, int gate, int nokey);
void	 rig_pump(struct rig *);
/* The first message of that type, taken out; waits. */
void	 rig_take(struct rig *, uint16_t type, struct rig_msg *, struct msgr *);
int	 rig_has(struct rig *, uint16_t type);
void	 rig_admitted(struct rig *, uint64_t no);
void	 rig_allow(struct rig *, uint64_t no);
void	 rig_allow_put(struct msgw *, uint64_t no);	/* the message alone */
void	 rig_deny(struct rig *, uint64_t no, uint16_t status, const char *text);
void	 rig_cut(struct rig *, uint64_t no, uint8_t cut);
void	 rig_linked(struct rig *, struct eg *);
void	 rig_parent(struct rig *, uint16_t type);

void	 cl_open(struct rig *, struct cl *);
void	 cl_send(struct rig *, struct cl *, const char *, ...);
void	 cl_bytes(struct rig *, struct cl *, const void *, size_t);
/* Reads until the text is there; fails after 5 s. */
void	 cl_want(struct rig *, struct cl *, const char *);
void	 cl_eof(struct rig *, struct cl *);
void	 cl_none(struct rig *, struct cl *, const char *);
void	 cl_close(struct cl *);
void	 cl_post(struct rig *, struct cl *, const char *path, const char *body);

void	 eg_read(struct rig *, struct eg *);
void	 eg_until(struct rig *, struct eg *, const int *flag);
void	 eg_head(struct rig *, struct eg *, uint16_t status, int events,
	    uint64_t length);
void	 eg_data(struct rig *, struct eg *, const char *);
void	 eg_frame(struct rig *, struct eg *, enum link_type, const void *, size_t);
void	 eg_end(struct rig *, struct eg *, uint8_t);
void	 eg_error(struct rig *, struct eg *, uint8_t end, uint16_t status,
	    const char *);
void	 eg_close(struct eg *);

/* The whole way to ALLOW: LINK, CALL, body; returns the number. */
uint64_t rig_call(struct rig *, struct cl *, struct eg *, const char *path,
	    const char *body);

extern const struct CMUnitTest front_tests[];	/* front.c */
extern const size_t front_count;
extern const struct CMUnitTest ends_tests[];	/* ends.c */
extern const size_t ends_count;
extern const struct CMUnitTest storm_tests[1];	/* storm.c */

#endif
