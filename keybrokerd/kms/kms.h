/* SPDX-License-Identifier: ISC */
#ifndef KEYBROKERD_KMS_KMS_H
#define KEYBROKERD_KMS_KMS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/kms/kms.h"
#include "common/sandbox/sandbox.h"

/*
 * kms: one exchange with a key management service, then exit.  It alone speaks
 * to the KMS, over a descriptor from dial; it holds a KMS credential for the
 * seconds of that exchange.
 *
 * Contract with parent and broker:
 *	exec	fd 4 blob of kmstarget_encode (the same that dial has), 6 CA
 *		bundle; instance and generation as usual
 *	UP	sealed
 *	parent	SOURCE* (SRC_ENV of kms_vars, SRC_KMS_FILE), PEER{ROLE_DIAL}(+fd),
 *		then PEER{ROLE_BROKER}(+fd) last: what was not sent before it is
 *		not there.  The broker's end goes to the broker the same way:
 *		PEER{ROLE_KMS, 0, generation}(+fd)
 *	broker	one EXCHANGE; the role answers one RESULT and exits 0.  A link
 *		that ends without RESULT: the role was killed (UNAVAILABLE)
 *	dial	PEER{ROLE_KMS, 0, generation}(+fd) from the parent;
 *		CONNECT{cookie, KMS_TARGET | row, label}; a list for dial comes
 *		on a BLOB(+fd) message before that PEER
 * The broker spawns it with SPAWN{ROLE_KMS, 0}; one at a time; never respawned.
 *
 * Believes: parent and broker; dial about descriptors.  A KMS is believed
 * about keys only after TLS verified its name.  Must never: log or print a
 * byte of a secret, follow a redirect, speak to a host that is not on the
 * list, retry without a bound, make a key up.
 */

#define KMS_REPLY_MAX	(64 * 1024)	/* bytes of one answer, head included */
#define KMS_REQUEST_MAX	(32 * 1024)
#define KMS_TRIES	3		/* of one request that failed transiently */
#define KMS_CONNECT_MS	2000		/* kms.md 1.0 */
#define KMS_TOTAL_MS	10000
#define KMS_META_MS	1000
#define KMS_EXCHANGE_MS	60000		/* greatest that EXCHANGE may ask for */
#define KMS_TEXT	384

/* One exchange: what was asked, what is answered.  Pointers are arena's. */
struct kms {
	struct kms_uri		 uri;
	struct kms_targets	 targets;
	uint8_t			 op;
	char			 uritext[KMS_URI_MAX];	/* for messages */
	char			 version[KMS_KEYID_MAX];
	const uint8_t		*wrapped, *context, *key;	/* asked */
	size_t			 wrappedlen, contextlen, keylen;
	uint64_t		 deadline;	/* poll_now() */
	/* between two tries */
	int64_t			 skew;		/* seconds to add to our clock */
	int			 again;		/* KA_*: one more try may help */
	/* the answer */
	uint8_t			 flags;		/* KR_* */
	uint32_t		 wait;		/* ms */
	char			 keyid[KMS_KEYID_MAX];
	const uint8_t		*outwrapped, *outkey;
	size_t			 outwrappedlen, outkeylen;
	char			 text[KMS_TEXT];
};

#define KA_CREDENTIAL	0x01	/* with a fresh credential */
#define KA_CLOCK	0x02	/* with the service's clock */

/* ---- arena.c: locked, guarded memory for all that may be secret ---------- */
/* Before sealing; also makes libcurl, OpenSSL and jansson wipe what they free.
 * -1 with errno. */
int	 arena_init(void);
void	*arena_new(size_t);		/* zeroed, lives to the end; NULL full */
char	*arena_dup(const void *, size_t);	/* with a NUL behind */
char	*arena_printf(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 arena_wipe(void);		/* at the end; nothing may follow */
/* For whoever runs many exchanges: wipes what was made since the mark. */
size_t	 arena_mark(void);
void	 arena_release(size_t mark);

/* ---- facts.c: variables and files that the parent sent ------------------- */
/* Reads fd (closed here); -1: full, too long, no such variable. */
int	 facts_add(int kind, int mode, const char *name, int fd);
const char *facts_env(const char *name);	/* NULL: not set or empty */
const char *facts_file(const char *name, size_t *len);	/* NULL: not there */
/* The file without one trailing newline; NULL: not there, or a byte that no
 * header may have. */
const char *facts_token(const char *name);
int	 facts_true(const char *name);

/* ---- https_curl.c: TLS over a descriptor that dial connected -------------- */
struct https;

/* Before sealing.  pem is kept and read at the first connection, a tenth of a
 * second of work; it may be empty: then TLS never verifies.  -1 with a
 * sentence. */
int	 https_init(const void *pem, size_t len, char *why, size_t);
/* Believe these certificates, and the bundle no longer.  -1: none in there. */
int	 https_trust(const void *pem, size_t len);
/* Owns fd.  NULL: *class and a sentence.  Deadlines are of poll_now(). */
struct https *https_open(const struct kms_target *, const char *host, int fd,
	    uint64_t deadline, enum proto_kms_class *class, char *why, size_t);
int	 https_send(struct https *, const void *, size_t, uint64_t deadline);
/* Bytes, 0 end, -1 with errno (ETIMEDOUT). */
long	 https_recv(struct https *, void *, size_t, uint64_t deadline);
void	 https_close(struct https **);

/* ---- fetch.c: one request, one bounded answer ---------------------------- */
#define FETCH_HEADERS	16

struct fetch {
	const char	*method, *url;
	const char	*host;		/* Host, if it is not the URL's */
	const char	*names[FETCH_HEADERS], *values[FETCH_HEADERS];
	size_t		 n;
	const char	*body;		/* NULL none */
	uint32_t	 ms;		/* of this request, 0 KMS_TOTAL_MS */
};

struct reply {
	int		 status;
	const char	*body;		/* NUL behind */
	size_t		 len;
	int64_t		 date;		/* of the Date field, 0 none */
	uint32_t	 retry;		/* ms, of Retry-After; 0 none or zero */
	const char	*challenge;	/* WWW-Authenticate, "" none */
	const char	*location;	/* "" none */
	const char	*flavor;	/* Metadata-Flavor, "" none */
	json_t		*json;		/* of the body, NULL: none */
};

void	 fetch_header(struct fetch *, const char *name, const char *value);
/*
 * KC_OK: an answer with some status is in *r (json NULL unless it is one
 * object without duplicate names).  Else CONFIG, UNAVAILABLE, PROTOCOL with
 * k->text.  No redirect is followed, nothing is sent twice.
 */
enum proto_kms_class fetch_do(struct kms *, const struct fetch *,
	    struct reply *);
/* The head that goes on the wire, for tests; its length, -1 too long or a byte
 * that no header may have. */
long	 fetch_head(const struct fetch *, const struct kms_url *, char *out,
	    size_t size);
/* Connects to a row: by dial; kms.c, or a test. */
int	 fetch_connect(struct kms *, int row, const char *label,
	    uint64_t deadline, char *why, size_t);

/* ---- text.c --------------------------------------------------------------- */
/* k->text, cut to what a log line may hold; returns the class. */
enum proto_kms_class text_say(struct kms *, enum proto_kms_class,
	    const char *, ...) __attribute__((format(printf, 3, 4)));
/* Percent-encoded for forms and queries; arena's. */
char	*text_escape(const char *);
char	*text_b64(const void *, size_t, int url);
/* Decoded to arena's memory; NULL if it is none. */
uint8_t	*text_unb64(const char *, int url, size_t *len);
/* Members of a path "a.b.c"; NULL if it is not a string there. */
const char *text_string(json_t *, const char *path);
int64_t	 text_number(json_t *, const char *path);	/* string or integer, -1 */
/* Content of the first <tag>, entities decoded; NULL none, or a DOCTYPE. */
const char *text_xml(const char *body, const char *tag);
int64_t	 text_iso(const char *);	/* 2026-01-31T12:00:00Z; -1 */
int64_t	 text_httpdate(const char *);	/* IMF-fixdate; -1 */
/* A name in an error of a service: what is no name character ends it. */
void	 text_name(char *out, size_t size, const char *in);
/* 32 bytes of standard base64, one newline may follow; 0 or -1. */
int	 text_key(struct kms *, const char *value);
/* {"name":"value",..} of EXCHANGE's context; NULL if it is malformed. */
json_t	*text_context(const uint8_t *, size_t);
uint32_t text_crc32c(const void *, size_t);

/* A row of a table of error codes; the last has code NULL. */
struct kms_code {
	const char		*code;
	enum proto_kms_class	 class;
	int			 again;		/* KA_* */
};
const struct kms_code *text_code(const struct kms_code *, const char *);

/* ---- back ends: one row each ----------------------------------------------- */
struct kms_backend {
	enum kms_back		 back;
	const char		*name;
	/* NULL where the back end cannot do it.  They fill k's answer. */
	enum proto_kms_class	(*fetch)(struct kms *);
	enum proto_kms_class	(*generate)(struct kms *);
	enum proto_kms_class	(*wrap)(struct kms *);
	enum proto_kms_class	(*unwrap)(struct kms *);
	const char		*permission;	/* what an operator must grant */
};
extern const struct kms_backend	awskms_backend, gcpkms_backend,
	    azsecret_backend, azwrap_backend, kvault_backend,
	    transit_backend;

/* awscred.c */
struct aws_cred {
	const char	*id, *secret, *token;	/* token NULL: none */
	const char	*source;	/* "environment", for messages */
	int64_t		 expires;	/* 0 never */
};
enum proto_kms_class awscred_get(struct kms *, struct aws_cred *);
/* A value of the chosen profile, config before credentials; NULL none. */
const char *awsprofile_get(const char *key);
/* The same of a named profile and of one file: "AWS_CONFIG_FILE" or
 * "AWS_SHARED_CREDENTIALS_FILE". */
const char *awsprofile_of(const char *file, const char *profile,
	    const char *key);
int	 awsprofile_exists(const char *profile);
const char *awsprofile_name(void);
const char *awsprofile_service(const char *service);	/* endpoint_url */
/* awskms.c */
int	 awskms_region(struct kms *, char *out, size_t);
const char *awskms_endpoint(struct kms *, const char *service,
	    const char *region);
int	 awskms_sign(struct kms *, struct fetch *, const struct aws_cred *,
	    const char *region, const char *service);
enum proto_kms_class awskms_classify(struct kms *, const struct reply *,
	    const char *what);
/* gcptoken.c, azuretoken.c, vaultlogin.c */
enum proto_kms_class gcptoken_get(struct kms *, const char **token,
	    const char **quota);
enum proto_kms_class azuretoken_get(struct kms *, const char *resource,
	    const char *tenant, const char **token);
enum proto_kms_class vaultlogin_get(struct kms *, const char **token,
	    int *renewable);
enum proto_kms_class vaultlogin_call(struct kms *, const char *token,
	    const char *method, const char *path, const char *body,
	    struct reply *);

/* ---- kmsrun.c, kms.c ----------------------------------------------------- */
/* The whole of it, with its tries; k is filled from EXCHANGE before. */
enum proto_kms_class kmsrun_exchange(struct kms *);
/* RESULT's payload. */
void	 kmsrun_result(const struct kms *, uint32_t cookie,
	    enum proto_kms_class, struct msgw *);
/* Until the exchange is answered or the parent goes; the exit code. */
int	 kms_loop(struct msglink *channel, const struct kms_targets *);

/* ---- syscalls_linux.c, promises_openbsd.c ---------------------------------- */
const struct sandbox *kms_sandbox(void);

#endif
