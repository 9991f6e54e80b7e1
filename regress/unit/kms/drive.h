/* SPDX-License-Identifier: ISC */
#ifndef REGRESS_KMS_DRIVE_H
#define REGRESS_KMS_DRIVE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The kms role as a process between a parent, a broker and a dial that are
 * this program: one exchange against whatever listens on this machine.  Names
 * that are no loopback literal are connected to 127.0.0.1.
 */
#define DRIVE_FACTS	24

struct drive {
	const char	*uri, *version;
	int		 op;
	const char	*env[DRIVE_FACTS];	/* "NAME=value"; NULL ends */
	const char	*file[DRIVE_FACTS];	/* "NAME=content" */
	const uint8_t	*wrapped, *context, *key;
	size_t		 wrappedlen, contextlen, keylen;
	uint32_t	 ms;
	const char	*pem;			/* CA bundle */
	int		 nodial;
};

struct driven {
	int		 answered;	/* 0: no RESULT */
	int		 class, flags, status;	/* status of waitpid */
	uint32_t	 wait;
	char		 keyid[600], text[600];
	uint8_t		 wrapped[6200], key[64];
	size_t		 wrappedlen, keylen;
	unsigned int	 connects;	/* CONNECTs that dial was asked for */
	uint64_t	 ms;		/* from EXCHANGE to RESULT */
};

/* -1: the list of hosts cannot be made (d->text). */
int	 drive_run(const struct drive *, struct driven *d);
const char *drive_class(int);

#endif
