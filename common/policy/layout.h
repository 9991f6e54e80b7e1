/* SPDX-License-Identifier: ISC */
#ifndef COMMON_POLICY_LAYOUT_H
#define COMMON_POLICY_LAYOUT_H

/* Byte positions of the blob of policy.h, for its reader and its writer. */
#define LAYOUT_MAGIC	"TPB1"
#define LAYOUT_VERSION	1
#define LAYOUT_MAX	(1024 * 1024)

enum layout_section { LS_PROVIDERS, LS_MODELS, LS_ROUTES, LS_STEPS, LS_STRINGS,
	LS_MAX };

#define LAYOUT_HEAD	(12 + LS_MAX * 8)

/* Bytes of one row; a step has no row yet, a string row is a byte. */
#define LAYOUT_ROWS	{ 48, 16, 16, 1, 1 }

enum layout_provider { LP_ID = 0, LP_DIALECT = 2, LP_SCHEME = 3, LP_AUTH = 4,
	LP_INSECURE = 5, LP_PORT = 6, LP_NAME = 8, LP_HOST = 12, LP_BASE = 16,
	LP_KEY = 20, LP_PROXY = 24, LP_PROXYPORT = 28, LP_FORM = 30,
	LP_QUERY = 32, LP_REGION = 36, LP_ZERO = 40, LP_SIZE = 48 };
enum layout_model { LM_PATTERN = 0, LM_PROVIDER = 4, LM_CONCRETE = 6,
	LM_ZERO = 7, LM_CREATED = 8, LM_SIZE = 16 };
enum layout_route { LR_ROUTE = 0, LR_DIALECT = 2, LR_KIND = 3, LR_PATH = 4,
	LR_ZERO = 8, LR_SIZE = 16 };

#endif
