/* SPDX-License-Identifier: ISC */
/*
 * A state directory for a test, an honest log, and its batches.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "keybrokerd/ledger/ledger.h"
#include "regress/unit/auditverify/model.h"

/* A state directory that is open. */
struct state {
	struct store	 store;
	struct head	 head;
	struct bundle	 bundle;
	int		 exportdir;
	char		 why[300];
};

extern struct state	st;
extern struct model	m;
extern uint8_t		run[LEDGER_RUN];	/* of fixture_build */
extern size_t		runlen;

/* fixture.c: the directory, which is the working directory as well */
void	fixture_fresh(void);
void	fixture_wipe(void);
/* As the role opens and checks it: 0, or -1 with st.why. */
int	fixture_start(void);
void	fixture_stop(void);
/* The run of commit k, with a state row that counts and one that goes. */
void	fixture_build(unsigned int k);
/* The run of the last fixture_build with one row more, in front. */
void	fixture_row(char tag, uint8_t kind, const char *id, const void *value,
	    size_t len);
/* Commits from..to - 1 into st. */
void	fixture_apply(unsigned int from, unsigned int to);
void	fixture_tree(uint64_t size, struct tree *);

/* live.c */
void	live_link(void **);
void	live_numbers(void **);
void	live_pages(void **);
void	live_faults(void **);
void	live_lie(void **);

#endif
