/* SPDX-License-Identifier: ISC */
/*
 * Checkpoints: C2SP tlog-checkpoint in a C2SP signed-note.  Three lines
 * (origin, size, root), an empty line, signature lines.  The origin is also
 * the name of every key.  One verifier rule: libsodium's (small-order and
 * non-canonical keys refused).
 */
#ifndef COMMON_AUDIT_NOTE_H
#define COMMON_AUDIT_NOTE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define NOTE_ORIGIN	255	/* bytes of an origin */
#define NOTE_SIGS	32	/* signature lines of a note */
#define NOTE_LINE	8192	/* bytes of one line */
#define NOTE_MAX	(NOTE_SIGS * NOTE_LINE)
#define NOTE_PK		32
#define NOTE_SK		64	/* libsodium: seed and public key */
#define NOTE_KEYID	4
#define NOTE_SIG	64
/* Room for a body, and for one more signature of ours. */
#define NOTE_BODY	(NOTE_ORIGIN + 1 + 20 + 1 + 44 + 1)
#define NOTE_SIGNED	(4 + NOTE_ORIGIN + 1 + 92 + 1)

struct note_sig {
	const char	*name;
	size_t		 namelen;
	uint8_t		 keyid[NOTE_KEYID];
	const char	*b64;		/* keyid and signature */
	size_t		 b64len;
};

/* A parsed note; points into the caller's bytes. */
struct note {
	const char	*body;		/* the signed bytes */
	size_t		 bodylen;
	const char	*origin;
	size_t		 originlen;
	uint64_t	 size;
	uint8_t		 root[32];
	unsigned int	 nsig;
	struct note_sig	 sig[NOTE_SIGS];
};

enum note_verdict {
	NOTE_GOOD,	/* a signature of this key, and it is right */
	NOTE_ABSENT,	/* no line names this key */
	NOTE_BAD	/* a line names this key and is wrong */
};

/* 1-255 printable ASCII characters, no blank, no '+'? */
int	note_origin_ok(const char *, size_t);
/* Canonical point of the prime-order subgroup? */
int	note_key_ok(const uint8_t pk[NOTE_PK]);
/* SHA-256(name || 0x0A || 0x01 || pk)[0..4). */
void	note_keyid(const char *name, size_t namelen,
	    const uint8_t pk[NOTE_PK], uint8_t out[NOTE_KEYID]);

/*
 * Writes the three lines, NUL after them not counted.  Returns their length
 * or -1 (EINVAL origin, ENOSPC).
 */
ssize_t	note_body(char *buf, size_t size, const char *origin,
	    uint64_t treesize, const uint8_t root[32]);
/*
 * Signs buf[0..bodylen) and appends the line (and the empty line, if len ==
 * bodylen) at buf[len].  sk is libsodium's 64 bytes, in the caller's guarded
 * memory.  Returns the new length or -1.  Call twice for two signatures.
 */
ssize_t	note_sign(char *buf, size_t size, size_t len, size_t bodylen,
	    const char *origin, const uint8_t sk[NOTE_SK]);

/* Exactly one note, strictly; 0, or -1 (EINVAL). */
int	note_parse(struct note *, const char *buf, size_t len);
/*
 * Length of the first note in a file of notes, each followed by one empty
 * line (audit-chain(5), "checkpoints"); without that line.  0: not complete
 * in these bytes; -1 (EINVAL): longer than NOTE_MAX.
 */
ssize_t	note_span(const char *buf, size_t len);
enum note_verdict
	note_verify(const struct note *, const uint8_t pk[NOTE_PK]);

#endif
