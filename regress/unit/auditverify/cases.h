/* SPDX-License-Identifier: ISC */
#ifndef AUDITVERIFY_CASES_H
#define AUDITVERIFY_CASES_H

#include "regress/unit/auditverify/model.h"

#define N	600	/* two full bundles and a partial one */

/* What a case needs: the pin, a remembered checkpoint; how it is run. */
enum {
	PIN = 1,
	OLD = 2,
	NODUMP = 4,
	NOEXPORT = 8
};

struct tamper {
	const char	*name;
	uint64_t	(*change)(void);
	int		 needs;
	enum fault	 fault;
};

extern struct model		m, honest;
extern const struct tamper	cases[];

/* Cases that the table cannot say in one row. */
uint64_t	case_size(void);
uint64_t	case_current_epoch(void);
uint64_t	case_new_log(void);
uint64_t	case_notes_swapped(void);

#endif
