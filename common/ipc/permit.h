/* SPDX-License-Identifier: ISC */
#ifndef COMMON_IPC_PERMIT_H
#define COMMON_IPC_PERMIT_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/proto.h"

/* One row of proto.h, for lists and checks. */
struct permit {
	const char	*name;
	uint16_t	 type;
	enum proto_link	 link;
	enum proto_dir	 dir;
	enum proto_class class;
	uint32_t	 max;
	int		 fd;		/* may carry a descriptor */
};

extern const struct permit	permit_rows[];
extern const size_t		permit_count;

/* NULL if no such message. */
const struct permit *permit_find(uint16_t type);
const char	*permit_name(uint16_t type);	/* "?" if unknown */
/*
 * May this message arrive on such a link?  admin: the link's class allows
 * administration (PL_WB only).  A CTL link also takes the PL_WB rows of class A.
 * 0, or -1: unknown, wrong link, wrong direction, class, too long, or an
 * unexpected descriptor.
 */
int		 permit_check(uint16_t type, enum proto_link, enum proto_dir,
		    int admin, size_t len, int hasfd);

#endif
