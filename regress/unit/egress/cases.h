/* SPDX-License-Identifier: ISC */
#ifndef REGRESS_UNIT_EGRESS_CASES_H
#define REGRESS_UNIT_EGRESS_CASES_H

#include "regress/unit/egress/rig.h"

/* Cases by file, and what they share. */
#define HEAD	"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
#define ANSWER	HEAD "content-length: 2\r\n\r\nok"
#define TEXT(s)	(s), sizeof(s) - 1
#define BODY	(sizeof(body) - 1)

static const char	body[] = "{\"model\":\"m\",\"messages\":[{\"role\":"
    "\"user\",\"content\":\"a body that is longer than sixty-four bytes\"}]}";

extern struct rig	 rig;
extern char		 raw[4 * 1024 * 1024];

/* calls.c */
void	 good(int w, int p, uint32_t id, uint64_t no, int ndone);
int	 stream(int *w, uint32_t *id);
void	 exact_bytes(void **);
void	 release_first(void **);
void	 no_body(void **);
void	 mismatches(void **);
void	 dropped(void **);
void	 cut(void **);
void	 cancelled(void **);
/* ends.c */
void	 ends(void **);
void	 echoes(void **);
void	 refused(void **);
void	 stale(void **);
void	 reuse(void **);
void	 timeouts(void **);
/* flow.c */
void	 big_upload(void **);
void	 big_answer(void **);
void	 early_answer(void **);
void	 replayed(void **);
void	 not_replayed(void **);
void	 many(void **);
void	 undialled(void **);
void	 unmatched(void **);
void	 bad_frames(void **);
void	 other_destination(void **);
void	 broker_lost(void **);
/* attempt.c */
void	 again(void **);
void	 not_again(void **);
void	 probe(void **);
/* net.c */
void	 over_tls(void **);
void	 untrusted(void **);
void	 through_proxy(void **);
void	 unresolved(void **);

#endif
