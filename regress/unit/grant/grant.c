/* SPDX-License-Identifier: ISC */
/*
 * The gate of R2: no token, no credential; a token of another record is as
 * good as none; the credential is in RELEASE to its egress and in no other
 * byte that leaves the broker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "regress/unit/call/rig.h"

static struct rig	*r;
static unsigned int	 releases, leaks, allows;
static uint8_t		 release[MSG_MAX], allow[MSG_MAX];
static size_t		 releaselen, allowlen;
static struct call	*subject;

static void
seen(struct rig *rig, const struct out *it, const uint8_t *p)
{
	int	 has;

	(void)rig;
	if (it->act != OUT_SEND)
		return;
	has = memmem(p, it->len, RIG_CANARY, strlen(RIG_CANARY)) != NULL;
	if (it->type == M_RELEASE) {
		assert_int_equal(it->to.kind, FROM_EGRESS);
		assert_int_equal(it->to.index, r->egress);
		assert_int_equal(it->secret, 1);
		memcpy(release, p, it->len);
		releaselen = it->len;
		releases++;
	} else if (has)
		leaks++;
	if (it->type == M_ALLOW) {
		memcpy(allow, p, it->len);
		allowlen = it->len;
		allows++;
	}
}

static struct call *
call(struct ask *a)
{
	struct msgw	 w;

	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, a);
	rig_put_call(&w, M_CALL, a);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
	return table_find(r->b, r->worker, a->no);
}

/* RELEASE and ALLOW say what the record says. */
static void
test_content(void **state)
{
	struct msgr	 m;
	struct ask	 a;
	struct call	*c;
	const uint8_t	*p;
	uint8_t		 raw[32];
	char		 text[1100];
	size_t		 n;

	(void)state;
	releases = allows = leaks = 0;
	c = call(&a);
	assert_int_equal(releases, 0);
	rig_flush(r);
	assert_int_equal(releases, 0);	/* sent to the disk, not durable */
	rig_settle(r);
	assert_int_equal(releases, 1);
	assert_int_equal(allows, 1);
	assert_int_equal(leaks, 0);
	msg_read(&m, M_RELEASE, release, releaselen);
	assert_int_equal(msg_get_u32(&m), a.link);
	assert_int_equal(msg_get_u64(&m), a.no);
	msg_get_raw(&m, raw, CALL_ID);
	assert_memory_equal(raw, c->id, CALL_ID);
	assert_int_equal(msg_get_u16(&m), RIG_PROVIDER);
	assert_int_equal(msg_get_u8(&m), SCHEME_HTTPS);
	msg_get_str(&m, text, sizeof(text));
	assert_string_equal(text, "api.example.com");
	assert_int_equal(msg_get_u16(&m), 443);
	msg_get_str(&m, text, sizeof(text));
	assert_string_equal(text, "POST");
	msg_get_str(&m, text, sizeof(text));
	assert_string_equal(text, a.path);
	msg_get_str(&m, text, sizeof(text));
	msg_get_str(&m, text, sizeof(text));
	assert_string_equal(text, a.ctype);
	assert_int_equal(msg_get_u64(&m), a.length);
	msg_get_raw(&m, raw, 32);
	assert_memory_equal(raw, a.sha256, 32);
	(void)msg_get_u32(&m);
	assert_int_equal(msg_get_u8(&m), DIALECT_OPENAI);
	assert_int_equal(msg_get_u8(&m), AUTH_BEARER);
	p = msg_get_blob(&m, CREDENTIAL_MAX, &n);
	assert_int_equal(n, strlen(RIG_CANARY));
	assert_memory_equal(p, RIG_CANARY, n);
	msg_read(&m, M_ALLOW, allow, allowlen);
	assert_int_equal(msg_get_u64(&m), a.no);
	msg_get_raw(&m, raw, CALL_ID);
	assert_int_equal(msg_get_u64(&m), c->intent);
	msg_get_raw(&m, raw, 32);
	assert_memory_equal(raw, c->leaf, 32);
	assert_int_equal(msg_get_u64(&m), r->led.size);
}

static void
no_token(struct rig *rig)
{
	(void)grant_release(rig->b, NULL, subject, rig->o);
}

static void
held_nothing(struct rig *rig)
{
	(void)grant_release(rig->b, grant_held(rig->b, subject), subject,
	    rig->o);
}

/* A token of the batch at hand does not cover a record that still waits. */
static void
other_record(struct rig *rig)
{
	subject->intent = rig->led.size + 1;
	rig_settle(rig);
}

static void
test_token(void **state)
{
	struct ask	 a;

	(void)state;
	subject = call(&a);
	releases = 0;
	assert_non_null(strstr(rig_fatal(r, no_token), "not durable"));
	assert_non_null(strstr(rig_fatal(r, held_nothing), "not durable"));
	rig_settle(r);
	assert_int_equal(releases, 1);
	/* The token is void once its COMMITTED was handled. */
	assert_non_null(strstr(rig_fatal(r, held_nothing), "not durable"));
	assert_int_equal(releases, 1);
}

/*
 * The record names a credential by fingerprint: no other one goes out.  The
 * one that was replaced meanwhile is still there; after two changes it is not,
 * and the call goes on with a second record.
 */
static void
test_changed(void **state)
{
	struct ask	 a;
	struct call	*c;

	(void)state;
	releases = 0;
	c = call(&a);
	rig_credential(r, "sk-another-key-9876543210");
	rig_settle(r);
	assert_int_equal(releases, 1);
	assert_int_equal(c->state, CS_RELEASED);
	assert_int_equal(c->attempt, 1);
	c = call(&a);
	rig_credential(r, "sk-a-third-key-9876543210");
	rig_credential(r, RIG_CANARY);
	rig_settle(r);
	assert_int_equal(releases, 2);
	assert_int_equal(c->state, CS_RELEASED);
	assert_int_equal(c->attempt, 2);
}

static void
test_absent(void **state)
{
	struct ask	 a;
	struct call	*c;

	(void)state;
	releases = 0;
	c = call(&a);
	rig_credential(r, "");
	rig_settle(r);
	assert_int_equal(c->state, CS_WAITCRED);
	assert_int_equal(releases, 0);
	rig_credential(r, RIG_CANARY);
	assert_int_equal(c->state, CS_RELEASED);
	assert_int_equal(releases, 1);
}

/* The call's time was over while the disk was slow. */
static void
test_late(void **state)
{
	struct msgw	 w;
	struct ask	 a;
	struct call	*c;

	(void)state;
	releases = 0;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	a.deadline = r->now + NS_S;
	rig_put_call(&w, M_CALL, &a);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
	c = table_find(r->b, r->worker, a.no);
	rig_flush(r);
	r->now += NS_S;
	rig_settle(r);
	assert_int_equal(releases, 0);
	assert_true(c->state == CS_CLOSING || c->state == CS_FREE);
}

/* Last, since the rig is not whole afterwards. */
static void
test_other(void **state)
{
	struct ask	 a;

	(void)state;
	rig_settle(r);
	subject = call(&a);
	releases = 0;
	assert_non_null(strstr(rig_fatal(r, other_record), "not durable"));
	assert_int_equal(releases, 0);
	assert_int_equal(leaks, 0);
}

static int
setup(void **state)
{
	(void)state;
	r = rig_new();
	rig_peers(r);
	r->seen = seen;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(r);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_other),
	};

	return cmocka_run_group_tests_name("grant", tests, setup, teardown);
}
