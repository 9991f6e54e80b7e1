/* SPDX-License-Identifier: ISC */
/*
 * The fields of AE1: one row for each key and nested key with its name, kind,
 * class (B broker, E egress, W worker's claim) and bounds.  Writer, reader,
 * auditverify and audit-chain(5) all go by this table.  A row never changes
 * its meaning; new rows take new numbers.
 */
#include <string.h>

#include "common/audit/entry.h"

#define UINT(n, c)		{ n, EF_UINT, c, 0, UINT64_MAX, NULL, 0 }
#define UPTO(n, c, top)		{ n, EF_UINT, c, 0, top, NULL, 0 }
#define BYTES(n, c, lo, hi)	{ n, EF_BYTES, c, lo, hi, NULL, 0 }
#define BYTESREF(n, c, len)	{ n, EF_BYTES_REF, c, len, len, NULL, 0 }
#define TEXT(n, c, top)		{ n, EF_TEXT, c, 0, top, NULL, 0 }
#define LIST(n, c, kind, top)	{ n, kind, c, 1, top, NULL, 0 }
#define MAP(n, c, rows) \
	{ n, EF_MAP, c, 0, 0, rows, sizeof(rows) / sizeof(rows[0]) }
#define MAPREF(n, c, rows) \
	{ n, EF_MAP_REF, c, 0, 0, rows, sizeof(rows) / sizeof(rows[0]) }

static const struct entry_field credential[] = {
	[ES_CRED_ID] = TEXT("id", 'B', 64),
	[ES_CRED_FPRINT] = BYTES("fingerprint", 'B', 32, 32),
	[ES_CRED_ATTEMPT] = UINT("attempt", 'B'),
};

static const struct entry_field dest[] = {
	[ES_DEST_PROVIDER] = UPTO("provider", 'B', UINT16_MAX),
	[ES_DEST_NAME] = TEXT("name", 'B', 64),
	[ES_DEST_HOST] = TEXT("host", 'B', 255),
	[ES_DEST_PORT] = UPTO("port", 'B', UINT16_MAX),
	[ES_DEST_SNI] = TEXT("sni", 'B', 255),
	[ES_DEST_SPKI] = BYTESREF("spki", 'B', 32),
	[ES_DEST_ADDR] = TEXT("address", 'E', 64),
};

static const struct entry_field policy[] = {
	[ES_POLICY_HASH] = BYTESREF("hash", 'B', 32),
	[ES_POLICY_DECISION] = TEXT("decision", 'B', 16),
	[ES_POLICY_RULES] = LIST("rules", 'B', EF_TEXTS, 64),
	[ES_POLICY_REASON] = TEXT("reason", 'B', 64),
};

static const struct entry_field detect[] = {
	[ES_DETECT_HITS] = LIST("hits", 'W', EF_HITS, 64),
	[ES_DETECT_SCANNED] = UINT("scanned", 'W'),
	[ES_DETECT_UNSCANNED] = UINT("unscanned", 'W'),
};

static const struct entry_field usage[] = {
	[ES_USAGE_UP] = UINT("bytes_up", 'E'),
	[ES_USAGE_DOWN] = UINT("bytes_down", 'E'),
	[ES_USAGE_IN] = UINT("tokens_in", 'W'),
	[ES_USAGE_OUT] = UINT("tokens_out", 'W'),
	[ES_USAGE_GRADE] = TEXT("grade", 'W', 16),
	[ES_USAGE_RESERVED] = UPTO("at_reservation", 'B', 1),
	[ES_USAGE_CACHED] = UINT("tokens_cached", 'W'),
	[ES_USAGE_REASONING] = UINT("tokens_reasoning", 'W'),
};

static const struct entry_field outcome[] = {
	[ES_OUTCOME_STATUS] = UPTO("status", 'E', 999),
	[ES_OUTCOME_REASON] = TEXT("reason", 'E', 64),
	[ES_OUTCOME_UP] = UINT("wire_up", 'E'),
	[ES_OUTCOME_DOWN] = UINT("wire_down", 'E'),
	[ES_OUTCOME_TTFB] = UINT("ttfb_ms", 'E'),
	[ES_OUTCOME_TRUNCATED] = UPTO("truncated", 'E', 1),
	[ES_OUTCOME_CANCELLED] = TEXT("cancelled_by", 'E', 32),
	[ES_OUTCOME_MISMATCH] = UPTO("digest_mismatch", 'E', 1),
	[ES_OUTCOME_TOTAL] = UINT("total_ms", 'E'),
	[ES_OUTCOME_SHA256] = BYTES("sha256", 'E', 32, 32),
	[ES_OUTCOME_CLOSED] = TEXT("closed_by", 'E', 32),
	[ES_OUTCOME_BODY] = BYTES("body_sha256", 'E', 32, 32),
};

static const struct entry_field build[] = {
	[ES_BUILD_CONFIG] = BYTES("config", 'B', 32, 32),
	[ES_BUILD_PROXYD] = BYTES("proxyd", 'B', 1, 32),
	[ES_BUILD_KEYBROKERD] = BYTES("keybrokerd", 'B', 1, 32),
	[ES_BUILD_VERSION] = TEXT("version", 'B', 32),
};

static const struct entry_field claimant[] = {
	[ES_CLAIMANT_SLOT] = UINT("slot", 'B'),
	[ES_CLAIMANT_GENERATION] = UINT("generation", 'B'),
	[ES_CLAIMANT_START] = UINT("start_ns", 'B'),
	[ES_CLAIMANT_LINK] = UINT("link", 'B'),
	[ES_CLAIMANT_CALL] = UINT("call", 'B'),
};

static const struct entry_field request[] = {
	[ES_REQUEST_METHOD] = TEXT("method", 'B', 16),
	[ES_REQUEST_PATH] = TEXT("path", 'B', 2048),
	[ES_REQUEST_QUERY] = TEXT("query", 'B', 2048),
	[ES_REQUEST_CTYPE] = TEXT("content_type", 'B', 256),
	[ES_REQUEST_LENGTH] = UINT("length", 'B'),
	[ES_REQUEST_SHA256] = BYTES("sha256", 'B', 32, 32),
	[ES_REQUEST_EDITS] = UINT("edits", 'B'),
	[ES_REQUEST_KIND] = TEXT("kind", 'B', 32),
	[ES_REQUEST_ROUTE] = TEXT("route", 'B', 64),
	[ES_REQUEST_STREAM] = UPTO("stream", 'W', 1),
};

static const struct entry_field client[] = {
	[ES_CLIENT_ADDR] = TEXT("address", 'W', 64),
	[ES_CLIENT_FLAGS] = UINT("flags", 'W'),
	[ES_CLIENT_SESSION] = BYTES("session", 'W', 1, 32),
	[ES_CLIENT_PORT] = UPTO("port", 'W', UINT16_MAX),
};

static const struct entry_field roll[] = {
	[ES_ROLL_EPOCH] = UPTO("epoch", 'B', UINT32_MAX),
	[ES_ROLL_KEY] = BYTES("key", 'B', 32, 32),
	[ES_ROLL_PROOF] = LIST("proof", 'B', EF_HASHES, 16),
};

static const struct entry_field root[] = {
	[ES_ROOT_ORIGIN] = TEXT("origin", 'B', 255),
	[ES_ROOT_PIN] = BYTES("pin", 'B', 32, 32),
	[ES_ROOT_EPOCHS] = UPTO("epochs", 'B', 65536),
};

static const struct entry_field change[] = {
	[ES_CHANGE_KIND] = TEXT("kind", 'B', 32),
	[ES_CHANGE_ID] = TEXT("id", 'B', 128),
	[ES_CHANGE_NAME] = TEXT("name", 'B', 128),
	[ES_CHANGE_OWNER] = TEXT("owner", 'B', 128),
	[ES_CHANGE_ROLE] = TEXT("role", 'B', 32),
	[ES_CHANGE_EXPIRES] = UINT("expires", 'B'),
	[ES_CHANGE_REASON] = TEXT("reason", 'B', 256),
	[ES_CHANGE_ACTOR] = TEXT("actor", 'B', 128),
	[ES_CHANGE_BEFORE] = BYTES("before", 'B', 1, 64),
	[ES_CHANGE_AFTER] = BYTES("after", 'B', 1, 64),
	[ES_CHANGE_OLD] = UINT("old", 'B'),
	[ES_CHANGE_NEW] = UINT("new", 'B'),
};

static const struct entry_field counts[] = {
	[ES_COUNTS_FROM] = UINT("from_ms", 'B'),
	[ES_COUNTS_TO] = UINT("to_ms", 'B'),
	[ES_COUNTS_TOTAL] = UINT("total", 'B'),
	[ES_COUNTS_REASONS] = LIST("reasons", 'B', EF_PAIRS, 64),
	[ES_COUNTS_SOURCES] = LIST("sources", 'W', EF_PAIRS, 64),
	[ES_COUNTS_MORE] = UINT("more", 'B'),
};

static const struct entry_field step[] = {
	[ES_STEP_OLD] = UINT("old_ms", 'B'),
	[ES_STEP_NEW] = UINT("new_ms", 'B'),
};

static const struct entry_field caller[] = {
	[ES_CALLER_KEY] = TEXT("key", 'B', 64),
	[ES_CALLER_AGENT] = UINT("agent", 'B'),
	[ES_CALLER_ROLE] = TEXT("role", 'B', 32),
	[ES_CALLER_CLASS] = TEXT("class", 'B', 16),
};

static const struct entry_field budget[] = {
	[ES_BUDGET_TOKENS] = UINT("reserved_tokens", 'B'),
	[ES_BUDGET_COST] = UINT("reserved_cost", 'B'),
	[ES_BUDGET_USED] = UINT("settled_tokens", 'B'),
	[ES_BUDGET_SPENT] = UINT("settled_cost", 'B'),
};

static const struct entry_field fields[EK_COUNT] = {
	[EK_VERSION] = { "version", EF_UINT, 'B', ENTRY_VERSION,
	    ENTRY_VERSION, NULL, 0 },
	[EK_SEQ] = UPTO("seq", 'B', INT64_MAX),
	[EK_TYPE] = { "type", EF_TEXT, 'B', 1, ENTRY_TYPE_MAX, NULL, 0 },
	[EK_WALL] = UINT("wall_ms", 'B'),
	[EK_BOOTTIME] = UINT("boottime_ns", 'B'),
	[EK_BOOTID] = BYTESREF("boot_id", 'B', 16),
	[EK_EPOCH] = UPTO("epoch", 'B', UINT32_MAX),
	[EK_PREV] = BYTES("prev", 'B', 32, 32),
	[EK_ORIGIN] = BYTES("origin", 'B', 8, 8),
	[EK_INSTANCE] = BYTES("instance", 'B', 8, 8),
	[EK_REQUEST_ID] = BYTES("request_id", 'B', 16, 16),
	[EK_PRINCIPAL] = BYTES("principal", 'B', 32, 32),
	[EK_CREDENTIAL] = MAP("credential", 'B', credential),
	[EK_DEST] = MAP("destination", 'B', dest),
	[EK_POLICY] = MAP("policy", 'B', policy),
	[EK_DETECT] = MAP("detectors", 'W', detect),
	[EK_COMMITMENTS] = BYTES("commitments", 'B', 32, 32),
	[EK_MODEL] = TEXT("model", 'W', 256),
	[EK_USAGE] = MAP("usage", 'W', usage),
	[EK_OUTCOME] = MAP("outcome", 'E', outcome),
	[EK_INTENT] = UPTO("intent", 'B', INT64_MAX),
	[EK_BUILD] = MAPREF("build", 'B', build),
	[EK_CLAIMANT] = MAP("claimant", 'B', claimant),
	[EK_ORG] = UPTO("org", 'B', UINT32_MAX),
	[EK_REQUEST] = MAP("request", 'B', request),
	[EK_CLIENT] = MAP("client", 'W', client),
	[EK_ROLL] = MAP("roll", 'B', roll),
	[EK_ROOT] = MAP("root", 'B', root),
	[EK_CHANGE] = MAP("change", 'B', change),
	[EK_COUNTS] = MAP("counts", 'B', counts),
	[EK_REMARK] = TEXT("remark", 'B', 512),
	[EK_STEP] = MAP("step", 'B', step),
	[EK_CALLER] = MAP("caller", 'B', caller),
	[EK_BUDGET] = MAP("budget", 'B', budget),
};

#define BIT(k)	(UINT64_C(1) << (k))
#define EVERY	(BIT(EK_VERSION) | BIT(EK_SEQ) | BIT(EK_TYPE) | \
		BIT(EK_WALL) | BIT(EK_BOOTTIME) | BIT(EK_BOOTID) | \
		BIT(EK_EPOCH) | BIT(EK_PREV) | BIT(EK_ORIGIN) | \
		BIT(EK_INSTANCE) | BIT(EK_ORG))

/* Name of each type, and what it must carry besides. */
static const struct {
	const char	*name;
	uint64_t	 needs;
} types[] = {
	[ET_GENESIS] = { "genesis", BIT(EK_ROOT) },
	[ET_BOOT] = { "boot", 0 },
	[ET_RECOVERY] = { "recovery", 0 },
	[ET_EPOCH_ROLL] = { "epoch.roll", BIT(EK_ROLL) },
	[ET_REROOT] = { "re-root", BIT(EK_ROOT) },
	[ET_CONFIG_LOAD] = { "config.load", 0 },
	[ET_POLICY_LOAD] = { "policy.load", BIT(EK_POLICY) },
	[ET_KEY_ADD] = { "key.add", BIT(EK_CHANGE) },
	[ET_KEY_ROTATE] = { "key.rotate", BIT(EK_CHANGE) },
	[ET_KEY_REVOKE] = { "key.revoke", BIT(EK_CHANGE) },
	[ET_AUTH_FAIL] = { "auth.fail", BIT(EK_COUNTS) },
	[ET_CALL_DENY] = { "call.deny", 0 },
	[ET_CALL_INTENT] = { "call.intent", BIT(EK_REQUEST_ID) |
	    BIT(EK_CLAIMANT) | BIT(EK_REQUEST) },
	[ET_CALL_OUTCOME] = { "call.outcome", BIT(EK_REQUEST_ID) |
	    BIT(EK_INTENT) },
	[ET_CALL_ORPHAN] = { "call.orphan", BIT(EK_INTENT) },
	[ET_EXPORT] = { "export", 0 },
	[ET_RETENTION] = { "retention", 0 },
	[ET_WITNESS_COSIG] = { "witness.cosig", 0 },
	[ET_ERASURE] = { "erasure", 0 },
	[ET_CLOCK_STEP] = { "clock.step", BIT(EK_STEP) },
	[ET_SHUTDOWN] = { "shutdown", 0 },
	[ET_ADMIN] = { NULL, BIT(EK_CHANGE) },
	[ET_OTHER] = { NULL, 0 },
};

const struct entry_field *
entry_field(unsigned int key, int sub)
{
	const struct entry_field	*f;

	if (key >= EK_COUNT)
		return NULL;
	f = &fields[key];
	if (sub < 0)
		return f->kind == EF_NONE ? NULL : f;
	if ((unsigned int)sub >= f->nsub || f->sub[sub].kind == EF_NONE)
		return NULL;
	return &f->sub[sub];
}

const char *
entry_type_name(enum entry_type type)
{
	return type <= ET_OTHER ? types[type].name : NULL;
}

uint64_t
entry_type_needs(enum entry_type type)
{
	return EVERY | types[type].needs;
}

/* Known name, "admin." and more, or a later version's. */
enum entry_type
entry_type_find(const char *name, size_t len)
{
	unsigned int	 i;

	for (i = 0; i < ET_ADMIN; i++)
		if (strlen(types[i].name) == len &&
		    memcmp(types[i].name, name, len) == 0)
			return (enum entry_type)i;
	if (len > 6 && memcmp(name, "admin.", 6) == 0)
		return ET_ADMIN;
	return ET_OTHER;
}
