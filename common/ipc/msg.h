/* SPDX-License-Identifier: ISC */
#ifndef COMMON_IPC_MSG_H
#define COMMON_IPC_MSG_H

#include <stddef.h>
#include <stdint.h>

/*
 * Messages over SOCK_SEQPACKET socketpairs.  This file moves bytes and knows
 * no message: names, limits and permissions are in proto.h.
 *
 * A packet is a run of messages: u16 type, u16 zero, u32 payload length, the
 * payload; all big-endian.  At most MSG_PACKET bytes a packet.  A message that
 * carries a descriptor is alone in its packet.  All other messages queued in
 * one turn share packets, which is the largest measured win under load.
 */
#define MSG_PACKET	16384	/* bytes of one packet */
#define MSG_HEAD	8
#define MSG_MAX		(MSG_PACKET - MSG_HEAD)	/* payload of one message */

/*
 * For a variable that is too large to be zeroed at each use (the build asks
 * for that, -ftrivial-auto-var-init) and is written before it is read.  Of a
 * struct msgw only the first len bytes of buf are ever read.
 */
#define UNSET	__attribute__((__uninitialized__))

/* ---- composing: bounded, sticky error, no allocation ------------------- */
struct msgw {
	uint16_t	 type;
	int		 bad;		/* overflowed, never sent */
	size_t		 len;
	uint8_t		 buf[MSG_MAX];
};

void	 msg_open(struct msgw *, uint16_t type);
void	 msg_put_u8(struct msgw *, uint8_t);
void	 msg_put_u16(struct msgw *, uint16_t);
void	 msg_put_u32(struct msgw *, uint32_t);
void	 msg_put_u64(struct msgw *, uint64_t);
/* Fixed-size field, no length on the wire. */
void	 msg_put_raw(struct msgw *, const void *, size_t);
/* u16 length, then the bytes; NULL is the empty string. */
void	 msg_put_str(struct msgw *, const char *);
void	 msg_put_strn(struct msgw *, const void *, size_t);
/* u32 length, then the bytes. */
void	 msg_put_blob(struct msgw *, const void *, size_t);

/* ---- reading: a view of a received payload ----------------------------- */
struct msgr {
	uint16_t	 type;
	int		 bad;		/* underrun or bound passed: sticky */
	size_t		 off, len;
	const uint8_t	*p;
};

void	 msg_read(struct msgr *, uint16_t type, const void *, size_t);
uint8_t	 msg_get_u8(struct msgr *);	/* 0 once bad */
uint16_t msg_get_u16(struct msgr *);
uint32_t msg_get_u32(struct msgr *);
uint64_t msg_get_u64(struct msgr *);
void	 msg_get_raw(struct msgr *, void *, size_t);
/*
 * Copy a string into out[size], NUL-terminated.  Longer than size - 1, or
 * with a NUL inside: bad.  Returns the length.
 */
size_t	 msg_get_str(struct msgr *, char *out, size_t size);
/* A view into the payload; longer than max: bad, NULL. */
const uint8_t *msg_get_strv(struct msgr *, size_t max, size_t *len);
const uint8_t *msg_get_blob(struct msgr *, size_t max, size_t *len);
/* 0 if nothing was bad and every byte was consumed, else -1 (EBADMSG). */
int	 msg_end(struct msgr *);

/* ---- a link ------------------------------------------------------------ */
struct msgq;				/* packets that wait, msg.c */

struct msglink {
	int		 fd;
	size_t		 maxqueue;	/* bytes; beyond: msg_send fails */
	size_t		 queued;	/* bytes waiting now */
	struct msgq	*head, *tail;
	size_t		 fds;		/* descriptors waiting now */
	uint64_t	 sent, got;	/* messages, for status */
	int		 tolerant;	/* owner's: see msglink_read */
	int		 dead;		/* EOF or error seen */
};

/* fd becomes non-blocking.  maxqueue 0 = 256 KiB.  Owns fd from here. */
void	 msglink_init(struct msglink *, int fd, size_t maxqueue);
void	 msglink_close(struct msglink *);
/*
 * Queue one message; nothing is sent before msglink_flush.  fd -1 = none; else
 * it is owned by the link and closed once sent (or at close).  -1: w->bad
 * (EMSGSIZE), queue full (ENOBUFS), link dead (EPIPE); the fd is closed then.
 */
int	 msg_send(struct msglink *, struct msgw *, int fd);
/* The same for a payload that is already encoded. */
int	 msg_sendv(struct msglink *, uint16_t type, const void *, size_t, int fd);
/* 0 all sent, 1 something waits (poll for writing), -1 link dead. */
int	 msglink_flush(struct msglink *);
/*
 * Receive one packet and hand each of its messages to fn, at most max packets.
 * fd is -1 or the descriptor of that message, owned by fn (close-on-exec set).
 * fn returns 0, or -1 to stop: the link is then marked dead.  A malformed
 * packet (short header, lengths that do not add up, MSG_TRUNC, MSG_CTRUNC, more
 * than one descriptor, a descriptor with several messages) marks the link dead.
 * A tolerant link survives MSG_CTRUNC, which is what a process sees that has
 * no descriptor number left: that packet alone is dropped, and logged.
 * Returns the number of messages, -1 once the link is dead.
 */
typedef int (*msg_fn)(void *arg, struct msgr *, int fd);
int	 msglink_read(struct msglink *, int maxpackets, msg_fn fn, void *arg);
/* The messages of one packet of len bytes, checked whole before the first goes
 * to fn; fd as above.  Their number, or -1: malformed (fd closed) or fn said so. */
int	 msg_packet(const uint8_t *, size_t len, int fd, msg_fn fn, void *arg);

/* A close-on-exec, non-blocking SEQPACKET pair. */
int	 msg_pair(int fd[2]);

#endif
