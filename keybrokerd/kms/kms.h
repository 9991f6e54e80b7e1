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

#endif
