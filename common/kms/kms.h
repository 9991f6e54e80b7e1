/* SPDX-License-Identifier: ISC */
#ifndef COMMON_KMS_KMS_H
#define COMMON_KMS_KMS_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/proto.h"

/*
 * What the keybrokerd parent, dial and the kms role must agree on about
 * TAPPASS_VAULT_KEY_KMS: its URI, the variables that a back end reads, and the
 * list of hosts that may be connected to for it.  Pure functions, no secret:
 * the parent reads public variables only (KV_PUBLIC), passes secret ones
 * unread, and opens the files that KV_FILE variables name.
 *
 *	aws_kms://<key id | ARN | alias/NAME>
 *	gcp_kms://projects/P/locations/L/keyRings/R/cryptoKeys/K
 *	azure_kv://<vault | host>/<secret>[/<version>]
 *	azure_kv_wrap://<vault | host>/<key>[/<version>]
 *	vault://<mount>/data/<path>[#field]	(field: "key")
 *	vault_transit://<key>
 */

/* ---- kmsuri.c ---------------------------------------------------------- */
enum kms_back { KB_AWS = 1, KB_GCP, KB_AZSECRET, KB_AZWRAP, KB_VAULT,
	KB_TRANSIT };

#define KMS_PART_MAX	512

struct kms_uri {
	enum kms_back	 back;
	char		 key[KMS_PART_MAX];	/* as the service names it: ARN,
					   projects/..., secret, path, key */
	char		 host[HOST_MAX + 1];	/* azure: full host name */
	char		 version[64];		/* azure: "" newest */
	char		 field[64];		/* vault */
	char		 region[32];		/* aws: of an ARN, else "" */
	char		 partition[16];		/* aws: "aws" unless an ARN says */
	uint16_t	 port;			/* azure: 443, or of the URI */
};

/* 0, or -1 with a sentence in why that an operator can act on. */
int	 kmsuri_parse(struct kms_uri *, const char *uri, char *why, size_t);
/* Wrapped by a KEK (an envelope is stored), or the key itself in a secret? */
int	 kmsuri_envelope(const struct kms_uri *);
/* DNS suffix of an AWS partition; NULL if there is none of that name. */
const char *kmsuri_suffix(const char *partition);

/* ---- kmsvar.c ---------------------------------------------------------- */
enum kms_kind {
	KV_PUBLIC,		/* parent and role read it */
	KV_SECRET,		/* the role reads it: SOURCE SRC_ENV */
	KV_FILE			/* names a file; the role gets its descriptor:
				   SOURCE SRC_KMS_FILE; public too */
};

struct kms_var {
	const char	*name;
	enum kms_kind	 kind;
	unsigned int	 backs;		/* 1 << kms_back */
	const char	*deflt;		/* KV_FILE: path without the variable,
					   NULL none; "~/" is $HOME */
};

#define KMS_FILE_MAX	(64 * 1024)	/* bytes of one credential file */

/* Ends with name == NULL.  No other variable is ever sent to the role. */
extern const struct kms_var	kms_vars[];
const struct kms_var *kmsvar_find(const char *name);

/* ---- kmstarget.c ------------------------------------------------------- */
#define KMS_TARGETS	24
#define KT_TLS		0x01
#define KT_LOOPBACK	0x02	/* plain http: 127.0.0.0/8 and ::1 alone */
#define KT_META		0x04	/* plain http to this very metadata address */
#define KT_PATTERN	0x08	/* host has one "*": a label [a-z0-9-]{1,63} */

struct kms_target {
	uint8_t		 flags;
	uint16_t	 port, proxy_port;
	char		 host[HOST_MAX + 1];
	char		 proxy[HOST_MAX + 1];	/* "" none; never with META */
};

struct kms_targets {
	size_t			 n;
	struct kms_target	 t[KMS_TARGETS];
};

/* Value of a public variable, NULL if it is not set. */
typedef const char *(*kms_get)(void *arg, const char *name);

/*
 * Every host that the back end of this URI, its credential chain and its
 * region can lead to, and no other.  Hosts that only a credential file names
 * (token_uri, endpoint_url of a profile) are not on it unless
 * TAPPASS_KMS_HOSTS, origins separated by blanks, says so.
 * 0, or -1 with a sentence in why.
 */
int	 kmstarget_list(struct kms_targets *, const char *uri, kms_get,
	    void *arg, char *why, size_t);
/*
 * The blob of dial and kms: "TPK1", u16 n, n x {u8 flags, u16 port, u16 proxy
 * port, str host, str proxy}, big-endian.  Returns the length, 0 if size is
 * too small (KMS_BLOB_MAX always suffices).
 */
#define KMS_BLOB_MAX	14000
size_t	 kmstarget_encode(const struct kms_targets *, uint8_t *, size_t size);
int	 kmstarget_decode(struct kms_targets *, const uint8_t *, size_t);
/*
 * The row for scheme, host, port, -1 if there is none; *label gets what stands
 * for "*" ("" without one).
 */
int	 kmstarget_find(const struct kms_targets *, int tls, const char *host,
	    uint16_t port, char label[64]);
/* The row's host with its label; -1 if the label is none or not wanted. */
int	 kmstarget_host(const struct kms_target *, const char *label,
	    char *out, size_t size);

/* A URL: http or https, host, port, path (with query; "/" if none). */
struct kms_url {
	int		 tls;
	char		 host[HOST_MAX + 1];	/* lower case, no brackets */
	uint16_t	 port;
	char		 path[1024];
};
/* No user part, no fragment, no control byte; 0 or -1. */
int	 kmsurl_parse(struct kms_url *, const char *url);
int	 kmsurl_loopback(const char *host);	/* literal or localhost */
int	 kmsurl_metadata(const char *host);	/* a known metadata address */

#endif
