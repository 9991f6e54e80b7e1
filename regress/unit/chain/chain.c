/* SPDX-License-Identifier: ISC */
/* The chain: leaf hashes are RFC 6962's, faults are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/audit/chain.h"
#include "common/audit/tree.h"
#include "common/text/text.h"

static void
leaf(void **state)
{
	uint8_t	 a[32], b[32], pair[65];
	char	 hex[HEX_SIZE(32)];

	(void)state;
	/* hash of the empty leaf in RFC 6962 implementations everywhere */
	chain_leaf("", 0, a);
	hex_encode(hex, sizeof(hex), a, 32);
	assert_string_equal(hex, "6e340b9cffb37a989ca544e6bb780a2c"
	    "78901d3fb33738768511a30617afa01d");
	/* a leaf that looks like a node is none (case 42) */
	memset(pair, 7, sizeof(pair));
	pair[0] = 1;
	chain_leaf(pair, sizeof(pair), a);
	tree_node(pair + 1, pair + 33, b);
	assert_memory_not_equal(a, b, 32);
	chain_origin("abc", 3, a);
	hex_encode(hex, sizeof(hex), a, 8);
	assert_string_equal(hex, "ba7816bf8f01cfea");
}

static void
faults(void **state)
{
	struct chain	 c;
	struct entry	 e;
	uint8_t		 prev[32];

	(void)state;
	chain_init(&c);
	memset(&e, 0, sizeof(e));
	memset(prev, 0, sizeof(prev));
	e.prev = prev;
	assert_int_equal(chain_check(&c, &e), CHAIN_OK);
	e.seq = 1;
	assert_int_equal(chain_check(&c, &e), CHAIN_GAP);
	memset(prev, 9, sizeof(prev));
	chain_push(&c, prev);
	assert_int_equal(chain_check(&c, &e), CHAIN_OK);
	prev[31] ^= 1;
	assert_int_equal(chain_check(&c, &e), CHAIN_BROKEN);
	e.seq = 0;
	assert_int_equal(chain_check(&c, &e), CHAIN_REPEAT);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(leaf),
		cmocka_unit_test(faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
