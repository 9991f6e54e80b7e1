/* SPDX-License-Identifier: ISC */
/*
 * A log in memory for the tests: a plan (what each entry says), rendered to
 * entries, chain, leaf hashes and signed checkpoints, then written as an
 * export or as a dump.  A tamper case changes the plan before rendering, or
 * the bytes after it.
 */
#ifndef AUDITVERIFY_MODEL_H
#define AUDITVERIFY_MODEL_H

#include "keybrokerd/auditverify/auditverify.h"

#define MODEL_ENTRIES	700
#define MODEL_COMMITS	400
#define MODEL_EPOCHS	16
#define MODEL_BYTES	640

struct plan {
	enum entry_type	 type;
	uint64_t	 seq;
	uint64_t	 wall;
	uint64_t	 epoch;
	uint64_t	 intent;	/* of an outcome */
	uint8_t		 id[16];
	const char	*remark;
	int		 badproof;	/* of a roll */
	int		 foreign;	/* origin of another log */
};

struct bytes {
	uint8_t		 p[MODEL_BYTES];
	size_t		 len;
};

/* One commit: how far it goes, who signs. */
struct commit {
	uint64_t	 size;
	int		 signer[2];	/* epochs, -1 none */
};

struct model {
	const char	*origin;
	uint64_t	 n;
	struct plan	 plan[MODEL_ENTRIES];
	struct bytes	 entry[MODEL_ENTRIES];
	uint8_t		 stored[MODEL_ENTRIES][32];	/* level 0 tiles */
	uint8_t		 level1[8][32];
	unsigned int	 commits;
	struct commit	 commit[MODEL_COMMITS];
	char		 note[MODEL_COMMITS][1024];
	size_t		 notelen[MODEL_COMMITS];
	uint8_t		 seed[32];
	uint8_t		 pk[MODEL_EPOCHS][32];
	uint8_t		 sk[MODEL_EPOCHS][64];
	uint8_t		 leaves[MODEL_EPOCHS * 32];
	uint8_t		 pin[32];
	unsigned int	 noteskip;	/* checkpoint left out + 1 */
	int		 badrange;	/* into the stored compact range */
};

/* An honest plan of n entries over three epochs; seed picks the details. */
void	model_init(struct model *, unsigned int seed, uint64_t n);
/* Plan to entries, each with the hash of the one before, from entry on. */
void	model_render(struct model *, uint64_t from);
/* Chain, leaf hashes as they follow from the entries. */
void	model_tiles(struct model *);
/* Checkpoints from number on, by the signers of each commit. */
void	model_sign(struct model *, unsigned int from);
/* All of it. */
void	model_build(struct model *);
/* Index of the nth entry of a type at or after from. */
uint64_t
	model_find(const struct model *, enum entry_type, uint64_t from);
/* Commit that covers entry i. */
unsigned int
	model_commit(const struct model *, uint64_t i);
/* Writes an export into an existing, empty directory. */
void	model_export(const struct model *, const char *dir);
/* Writes a dump to a descriptor. */
void	model_dump(const struct model *, int fd, int tiles);

#endif
