/* SPDX-License-Identifier: ISC */
/*
 * What credential.c (sources), credential_live.c (current and previous values)
 * and credential_vault.c share.  Nobody else includes it.
 */
#ifndef KEYBROKERD_BROKER_CREDENTIAL_TABLE_H
#define KEYBROKERD_BROKER_CREDENTIAL_TABLE_H

#include "keybrokerd/broker/credential.h"

#define SINGLES		64		/* variables that come one by one */
#define HELD		64		/* files that hold one value */
#define FILES		16
/* Two slots in a row hold more than one slot's bytes: 2 * 64 KiB / 4064 + 2. */
#define FILE_SLOTS	35
#define PATH_LEN	256
#define LIVE		64		/* names that a provider has or had */
#define TROUBLES	64

/* A value in a slot, which may be shared with its neighbours. */
struct value {
	char		 name[CREDENTIAL_NAME];
	struct secret	*slot;		/* NULL: empty or bad */
	uint16_t	 off, len;
	uint8_t		 bad;		/* too long or control characters */
	uint8_t		 kept;		/* its source does not say it any more */
	uint64_t	 since;		/* wall ms */
};

/* A file that holds one value. */
struct held {
	struct value	 v;		/* owns its slot */
	uint8_t		 kind;
	char		 path[PATH_LEN];
};

struct file {
	uint8_t		 kind;
	char		 path[PATH_LEN];
	struct secret	*slot[FILE_SLOTS];
	size_t		 nslots, fill;		/* fill: of the last slot */
	struct value	 value[CREDENTIAL_VARS];
	size_t		 n;
};

/* Current and previous value of a name; each has its own slot. */
struct live {
	char		 name[CREDENTIAL_NAME];
	struct secret	*cur, *prev;
	char		 from[PATH_LEN];
	uint64_t	 since, prev_since;	/* wall ms */
	uint64_t	 used;			/* wall ms */
	uint64_t	 refused, prev_refused;	/* boot ns, 0 never */
	uint64_t	 reread;		/* boot ns */
	uint64_t	 version;	/* of the table when it was resolved */
	uint8_t		 state;		/* enum credential_state then */
	uint8_t		 reading;	/* its sources are being read again */
	uint8_t		 changed;	/* not told by credential_changed */
};

struct trouble {
	uint8_t		 kind;
	char		 name[CREDENTIAL_NAME + PATH_LEN];
	char		 text[CREDENTIAL_ERR];
};

struct creds {
	struct value	 single[SINGLES];	/* each owns its slot */
	size_t		 nsingle;
	struct secret	*keyfile;		/* vault key file's text */
	struct held	 held[HELD];
	size_t		 nheld;
	struct file	*file[FILES];		/* in order of arrival */
	size_t		 nfiles;
	struct vault	*vault;			/* NULL: none yet */
	struct live	 live[LIVE];
	size_t		 nlive;
	struct trouble	 trouble[TROUBLES];
	size_t		 ntroubles;
	uint64_t	 wall;
	/* the file that is being read */
	struct file	*stage;
	struct secret	*line;
	size_t		 linelen, bytes;
	unsigned int	 lineno;
	char		 err[CREDENTIAL_ERR];
	uint64_t	 version;
};

/* A value with its source, winners first. */
struct credential_found {
	const uint8_t	*p;		/* NULL unless state is CRED_OK */
	size_t		 len;
	enum credential_state state;
	const char	*from;
	uint64_t	 since;
	int		 kept;
};

/*
 * The i-th source that has the name at all, in order of precedence; -1: no
 * more.
 */
int	 credential_source(const struct creds *, const char *name, size_t i,
	    struct credential_found *);
/*
 * The value that counts: the first that is there; with skip, one that is not
 * a proxyd key, if there is one.  -1: none.
 */
int	 credential_lookup(const struct creds *, const char *name, int skip,
	    struct credential_found *);
void	 credential_live_free(struct creds *);
/* Files of one value that are away: out of the table; how many. */
size_t	 credential_held_drop(struct creds *, const char *name);
enum credential_state credential_value(const struct value *);
/* Longer than a header's line may be, or control characters. */
int	 credential_bad(const uint8_t *, size_t);
struct value *credential_file_value(const struct file *, const char *name,
	    size_t len);
void	 credential_file_free(struct file *);

#endif
