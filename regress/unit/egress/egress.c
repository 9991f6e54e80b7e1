/* SPDX-License-Identifier: ISC */

/*
 * Calls through a real egress and a real dial: what the provider gets, what
 * the worker sees, what the broker is told, for good and for bad ends.
 */

#include <sys/socket.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/proc/poll.h"
#include "common/secret/secret.h"
#include "common/text/sha256.h"
#include "regress/unit/egress/cases.h"

struct rig	 rig;
char		 raw[4 * 1024 * 1024];

static int
start(void **state)
{
	(void)state;
	rig_start(&rig, RIG_PLAIN, "");
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		CASE(exact_bytes),
		CASE(release_first),
		CASE(no_body),
		CASE(mismatches),
		CASE(dropped),
		CASE(cut),
		CASE(cancelled),
		CASE(ends),
		CASE(echoes),
		CASE(refused),
		CASE(stale),
		CASE(reuse),
		CASE(timeouts),
		CASE(big_upload),
		CASE(big_answer),
		CASE(early_answer),
		CASE(replayed),
		CASE(not_replayed),
		CASE(many),
		CASE(undialled),
		CASE(unmatched),
		CASE(bad_frames),
		CASE(other_destination),
		CASE(broker_lost),
		CASE(again),
		CASE(not_again),
		CASE(probe),
		cmocka_unit_test(over_tls),
		cmocka_unit_test(untrusted),
		cmocka_unit_test(through_proxy),
		cmocka_unit_test(unresolved),
	};

	signal(SIGPIPE, SIG_IGN);
	if (getenv("ONLY") != NULL)
		cmocka_set_test_filter(getenv("ONLY"));
	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
